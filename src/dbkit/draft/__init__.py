"""New migrations, and their rollbacks drafted from the parse tree."""

from dbkit.draft.new import Draft, write_migration
from dbkit.draft.rollback import draft_rollback

__all__ = ["Draft", "draft_rollback", "write_migration"]
