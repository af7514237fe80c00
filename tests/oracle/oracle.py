"""What Hugging Face transformers makes of configurations: parameters and matmul FLOPs of each class.

Reads every list in configs/ (one JSON object a line: name, config) and writes the table of the same name in facts/, which the
tests hold against the counts of the project. Models are made on the meta device: shapes without memory, so that the real
sizes are as quick as small ones.

    python -m venv oracle && oracle/bin/pip install -r tests/oracle/requirements.txt
    oracle/bin/python tests/oracle/oracle.py            # all lists; or the names of some: oracle.py dense

A line of a list may also say
  "flops": false        where no forward pass on the meta device is possible, and why
  "device": "cpu"       where only real memory makes one possible: for small sizes
  "classes": {re: name} of which class tensors are whose names tell the script nothing
  "explained": [{"class": ..., "parameters": n, "flops": [n, n], "why": ...}]  for the tests: what we count more (or less)
"""

import datetime
import json
import pathlib
import re
import sys

import torch
import transformers
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText

HERE = pathlib.Path(__file__).parent
# New tokens of the two passes, nothing cached, logits for every token.
TOKENS = (1, 7)

# The first pattern that is found in a tensor's name decides. Vectors are of no class but their own.
CLASSES = [
    ("router", r"shared_expert_gate|(mlp|feed_forward|block_sparse_moe|ffn|moe|mixer)\.(gate|router|wg)(\.|$)|router"),
    ("shared", r"shared_expert|shared_mlp|shared_experts"),
    ("experts", r"experts|block_sparse_moe\.(input|output)_linear|moe\.(input|output)_linear"),
    ("positions", r"\b(wpe|embed_positions|position_embeddings?)\b"),
    ("recurrent", r"linear_attn|mamba|\bconv\b|conv1d|mixer\.(in|out|x|dt)_proj"),
    ("ffn", r"\bmlp\b|feed_forward|\bffn\b|\bfc[12]\b|mixer\.(up|down)_proj"),
    ("attention", r"attn|attention|project_(in|out)|mixer\.[qkvo]_proj"),
]
KEPT_BUFFERS = ("e_score_correction_bias", "expert_bias")


def build(config, device):
    """The model of a configuration, on the meta device without memory."""
    config = dict(config)
    kind = config.pop("model_type")
    made = AutoConfig.for_model(kind, **config)
    for auto in (AutoModelForCausalLM, AutoModelForImageTextToText):
        if type(made) in auto._model_mapping:
            with torch.device(device):
                return auto.from_config(made, attn_implementation="eager")
    raise LookupError(f"transformers has no language model for {kind}")


def tensors(model):
    """Name and tensor of what a checkpoint holds, a tied one once."""
    yield from model.named_parameters()
    for name, buffer in model.named_buffers():
        if name.endswith(KEPT_BUFFERS):
            yield name, buffer


class Classes:
    """Which class a tensor is of."""

    def __init__(self, model, overrides):
        self.overrides = overrides
        self.embedding = model.get_input_embeddings().weight
        head = model.get_output_embeddings()
        self.head = None if head is None else head.weight
        # Mixers that convolve are recurrent, whatever their matrices are called.
        names = (name for name, _ in tensors(model))
        self.recurrent = tuple({name.partition("conv1d")[0] for name in names if "conv1d" in name})

    def of(self, name, tensor):
        if tensor is self.embedding:
            return "embedding"
        if tensor is self.head:
            return "head"
        if re.search(r"vision|visual|multi_modal|projector|audio", name):
            return "other"
        for pattern, found in self.overrides.items():
            if re.search(pattern, name):
                return found
        vector = tensor.ndim < 2 or re.search(r"(bias|A_log)$", name) or tensor.numel() == max(tensor.shape)
        if vector and "shared_expert_gate" not in name:
            return "vectors"
        if name.startswith(self.recurrent):
            return "recurrent"
        for found, pattern in CLASSES:
            if re.search(pattern, name):
                return found
        raise LookupError(f"of which class is {name} {list(tensor.shape)}?")


def parameters(model, classes):
    counted = {}
    for name, tensor in tensors(model):
        found = classes.of(name, tensor)
        counted[found] = counted.get(found, 0) + tensor.numel()
    return counted


def flops(model, classes, count, device):
    """Matmul FLOPs by class. What a module computes with no matrix of its own is the core of attention, or a scan."""
    counter = FlopCounterMode(display=False)
    tokens = torch.zeros(1, count, dtype=torch.long, device=device)
    with torch.no_grad(), counter:
        model(input_ids=tokens, use_cache=False)
    root = type(model).__name__
    totals = {name: products(ops) for name, ops in counter.get_flop_counts().items()}
    of_children = {}
    for name, total in totals.items():
        # Lists of modules are not called themselves.
        parent = name.rpartition(".")[0]
        while parent and parent not in totals:
            parent = parent.rpartition(".")[0]
        of_children[parent] = of_children.get(parent, 0) + total
    counted = {}
    for name, total in totals.items():
        own = total - of_children.get(name, 0)
        if name == "Global" or own == 0:
            continue
        name = name.removeprefix(root).removeprefix(".")
        found = class_of_module(name, model.get_submodule(name), classes)
        counted[found] = counted.get(found, 0) + own
    if sum(counted.values()) != totals["Global"]:
        raise ValueError("the modules' FLOPs are not those of the pass")
    return counted


def products(ops):
    # A convolution along the sequence works channel by channel: no matmul.
    return sum(flops for op, flops in ops.items() if "convolution" not in str(op))


def class_of_module(name, module, classes):
    def found(recurse):
        named = module.named_parameters(recurse=recurse)
        return {classes.of(f"{name}.{part}", tensor) for part, tensor in named} - {"vectors"}

    own = found(recurse=False)
    if any(tensor is classes.head for tensor in module.parameters(recurse=False)):
        return "head"
    if len(own) > 1:
        raise LookupError(f"{name} has matrices of several classes: {own}")
    if own:
        return own.pop()
    return "scan" if "recurrent" in found(recurse=True) else "core"


def facts(line):
    device = line.get("device", "meta")
    model = build(line["config"], device)
    model.eval()
    if hasattr(model, "set_experts_implementation"):
        model.set_experts_implementation("batched_mm")
    classes = Classes(model, line.get("classes", {}))
    counted = parameters(model, classes)
    found = {"name": line["name"], "total": sum(counted.values()), "parameters": counted}
    if line.get("flops", True):
        found["flops"] = {str(count): flops(model, classes, count, device) for count in TOKENS}
    return found


def main():
    # It looks at positions, which have no values here.
    transformers.masking_utils.find_packed_sequence_indices = lambda *_: None
    wrong = 0
    for path in sorted((HERE / "configs").glob("*.jsonl")):
        if sys.argv[1:] and path.stem not in sys.argv[1:]:
            continue
        versions = f"torch {torch.__version__.split('+')[0]}, transformers {transformers.__version__}"
        table = [f"# {versions}, {datetime.date.today()}; by tests/oracle/oracle.py"]
        for text in path.read_text().splitlines():
            if not text.strip():
                continue
            line = json.loads(text)
            try:
                table.append(json.dumps(facts(line)))
            except Exception as error:
                wrong += 1
                print(f"{path.stem}: {line['name']}: {type(error).__name__}: {error}", file=sys.stderr)
        (HERE / "facts" / path.name).write_text("\n".join(table) + "\n")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
