"""The project, the two things that have features, and what happens between them."""

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

event = Entity(
    name="event",
    join_keys=["event_id"],
    value_type=ValueType.STRING,
    description="One thing that a user did, by the app's own id of it.",
    owner=OWNER,
    tags={"pii": "none"},
)
