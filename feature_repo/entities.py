"""The project and the two things that have features."""

from feast import Entity, Project, ValueType

OWNER = "recommendation-team"

project = Project(
    name="crossmodal",
    description="Cross-modal recommendation: item embeddings, behaviour and recommendations.",
    owner=OWNER,
)

user = Entity(
    name="user",
    join_keys=["user_id"],
    value_type=ValueType.STRING,
    description="A person, by keyed pseudonym. The key `new_user` stands for one without history.",
    owner=OWNER,
    tags={"pii": "pseudonym"},
)

item = Entity(
    name="item",
    join_keys=["item_id"],
    value_type=ValueType.STRING,
    description="Something that can be recommended.",
    owner=OWNER,
    tags={"pii": "none"},
)
