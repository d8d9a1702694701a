"""The names that a migration is given, replaced by ones that can be found again in a dump: so a template comes out of it."""

from __future__ import annotations

import re
from dataclasses import replace

from dbkit.project.manifest import ROLE_KINDS, Project

SCHEMA, PROJECT = "dbkit_s_4e1f", "dbkit_p_4e1f"


def placeholders(project: Project, service: str) -> Project:
    """Return the project with other names for itself and the service's schema."""
    from msgspec.structs import replace as changed

    manifest = project.manifest
    services = {**manifest.services, service: changed(manifest.services[service], schema=SCHEMA)}
    return replace(project, manifest=changed(manifest, project=changed(manifest.project, name=PROJECT), services=services))


def reading_from(project: Project, service: str, folder: str) -> Project:
    """Return the project with the service's migrations in another folder."""
    from msgspec.structs import replace as changed

    services = {**project.manifest.services, service: changed(project.manifest.services[service], migrations=folder)}
    return replace(project, manifest=changed(project.manifest, services=services))


def templated(text: str) -> str:
    """Write a template that renders to the text, the placeholders being the names that a migration is given."""
    text = re.sub(r"\{(?=[{%#])", "{{ '{' }}", text)
    text = re.sub(rf"{PROJECT}_[a-z0-9_]+_({'|'.join(ROLE_KINDS)})\b", r"{{ roles.\1 }}", text)
    return text.replace(SCHEMA, "{{ schema }}").replace(PROJECT, "{{ project }}")
