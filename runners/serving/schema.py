"""Requests and responses of the HTTP interface, as its OpenAPI description shows them."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

_Model = str | list[str]
_One = Annotated[int, Field(ge=1, le=1)]
_Zero = Annotated[float, Field(ge=0, le=0)]
_NoWords = Annotated[list[str], Field(max_length=0)]
_NoBias = Annotated[dict[str, float], Field(max_length=0)]
_STRICT = ConfigDict(extra="forbid", strict=True)


class Request(BaseModel):
    """A body without unknown keys, whose values are of their types as they are."""

    model_config = _STRICT


class CompletionRequest(Request):
    """What OpenAI's completions take, as far as greedy answers of a task know it.

    Fields of theirs that change an answer are taken with the value that changes none, which
    their clients send.
    """

    model: _Model = Field(description="A served model, or one for each prompt.")
    prompt: str | list[str] = Field(description="The input, in T5's text format, or several.")
    max_tokens: Annotated[int, Field(ge=1)] | None = Field(
        default=None,
        description="The most tokens of an answer, end-of-sequence included, up to the server's "
        "limit; by default answer_tokens of the model, which is the target_length of its trial "
        "within that limit.",
    )
    temperature: float | None = Field(default=None, description="0 or null: answers are greedy.")
    stream: bool | None = Field(default=None, description="Whether pieces of the answer are sent.")
    n: _One | None = Field(default=None, description="1 or null: there is one answer.")
    best_of: _One | None = Field(default=None, description="1 or null: there is one answer.")
    top_p: Annotated[float, Field(ge=1, le=1)] | None = Field(
        default=None, description="1 or null: answers are greedy."
    )
    frequency_penalty: _Zero | None = Field(default=None, description="0 or null.")
    presence_penalty: _Zero | None = Field(default=None, description="0 or null.")
    echo: Literal[False] | None = Field(default=None, description="false or null.")
    stop: _NoWords | None = Field(default=None, description="Null or empty.")
    logit_bias: _NoBias | None = Field(default=None, description="Null or empty.")
    logprobs: None = Field(default=None, description="Null; /v1/classify has likelihoods.")
    suffix: None = Field(default=None, description="Null.")
    stream_options: None = Field(default=None, description="Null.")
    seed: int | None = Field(default=None, description="Not used: nothing is drawn.")
    user: str | None = Field(default=None, description="Not used.")


class ClassificationRequest(Request):
    """Inputs whose answers are chosen among labels."""

    model: _Model = Field(description="A served model, or one for each input.")
    input: str | list[str] = Field(description="The input, in T5's text format, or several.")
    labels: list[str] | None = Field(
        default=None, description="What to choose from; by default the labels of the task."
    )


class PutModelRequest(Request):
    """Trials of the store whose prompts a name is to be served by."""

    trials: list[str] = Field(description="Ids of 16 hex digits; several of one task vote.")


class ItemError(BaseModel):
    """Why one item, or a request, got no answer."""

    message: str
    type: str
    param: str | None = None
    code: str


class ErrorResponse(BaseModel):
    """A request that was not answered."""

    error: ItemError


class Votes(BaseModel):
    """What a vote came to."""

    votes: dict[str, int]
    shares: dict[str, float]
    tied: bool
    tie_rule: str
    answers: list[dict[str, Any]]


class Choice(BaseModel):
    """The answer to one prompt."""

    index: int
    text: str
    finish_reason: Literal["stop", "length", "error"]
    logprobs: None = None
    vote: Votes | None = None
    error: ItemError | None = None


class Usage(BaseModel):
    """Tokens of all items; those of an answer count once for each prompt that gave it."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class CompletionResponse(BaseModel):
    """Answers in the order of the prompts."""

    id: str
    object: Literal["text_completion"] = "text_completion"
    created: int
    model: _Model
    choices: list[Choice]
    usage: Usage


class Classified(BaseModel):
    """The label of one input."""

    index: int
    label: str | None
    scores: dict[str, float] | None
    vote: Votes | None = None
    error: ItemError | None = None


class ClassificationResponse(BaseModel):
    """Labels in the order of the inputs."""

    id: str
    object: Literal["classification"] = "classification"
    created: int
    model: _Model
    results: list[Classified]
    usage: Usage


class PromptCard(BaseModel):
    """One prompt of a served model."""

    id: str = Field(description="Its trial where it is known, else its key.")
    key: str = Field(description="A hash of its numbers: another prompt has another one.")
    label: str
    length: int
    score: float | None


class ModelCard(BaseModel):
    """One served model."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "promptscale"
    task: str
    labels: list[str] | None
    base: str
    input_tokens: int
    answer_tokens: int
    prompts: list[PromptCard]


class ModelList(BaseModel):
    """All served models by name."""

    object: Literal["list"] = "list"
    data: list[ModelCard]
