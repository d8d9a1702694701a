"""New migrations, their rollbacks drafted from the parse tree, and new numbers for those that have a taken one."""

from dbkit.draft.new import Draft, write_migration
from dbkit.draft.renumber import Rename, new_since, plan_renumber, renumber, stems
from dbkit.draft.rollback import TODO, draft_rollback

__all__ = ["TODO", "Draft", "Rename", "draft_rollback", "new_since", "plan_renumber", "renumber", "stems", "write_migration"]
