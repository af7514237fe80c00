"""Writes tests/data/checkpoints.jsonl: configurations of tiny models with the headers of the safetensors files that the
libraries themselves write for them. One line each: name, what made it, config, header, total_size.

Not needed by the tests. Run in an environment with the packages of requirements-checkpoints.txt:
    python tests/oracle/checkpoints.py plain quantised > tests/data/checkpoints.jsonl
"""

import json
import os
import struct
import sys
import tempfile

os.environ["CUDA_VISIBLE_DEVICES"] = ""
import torch  # noqa: E402
import transformers  # noqa: E402
from transformers import AutoConfig, AutoModelForCausalLM  # noqa: E402

SMALL = dict(hidden_size=256, intermediate_size=512, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
             vocab_size=320, max_position_embeddings=64, pad_token_id=0, bos_token_id=1, eos_token_id=2)

# What a family's configuration calls otherwise, or needs besides.
FAMILIES = {
    "llama": {}, "mistral": {}, "qwen2": {}, "qwen3": dict(head_dim=64), "gemma": dict(head_dim=64),
    "gemma2": dict(head_dim=64), "gemma3_text": dict(head_dim=64), "phi3": {}, "stablelm": {}, "olmo2": {}, "granite": {},
    "glm4": dict(head_dim=64), "smollm3": {}, "starcoder2": {}, "phi": dict(num_key_value_heads=4), "gpt_neox": dict(num_key_value_heads=4),
    "gpt2": dict(num_key_value_heads=4, n_embd=256, n_layer=2, n_head=4, n_positions=64), "falcon": dict(new_decoder_architecture=True, num_kv_heads=2),
    "opt": dict(num_key_value_heads=4, ffn_dim=512, word_embed_proj_dim=256),
    "lfm2": dict(layer_types=["conv", "full_attention"], block_auto_adjust_ff_dim=False),
    "mamba2": dict(num_heads=8, head_dim=64, state_size=16, n_groups=1),
    "mixtral": dict(num_local_experts=4), "olmoe": dict(num_experts=4, num_experts_per_tok=2),
    "qwen2_moe": dict(num_experts=4, num_experts_per_tok=2, moe_intermediate_size=128, shared_expert_intermediate_size=256),
    "qwen3_moe": dict(head_dim=64, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=128),
    "gpt_oss": dict(head_dim=64, num_local_experts=4, num_experts_per_tok=2),
    "deepseek_v2": dict(q_lora_rank=None, kv_lora_rank=64, qk_nope_head_dim=32, qk_rope_head_dim=32, v_head_dim=32, n_routed_experts=4,
                        num_experts_per_tok=2, moe_intermediate_size=128, first_k_dense_replace=1, num_key_value_heads=4),
    "qwen3_next": dict(num_hidden_layers=4, head_dim=64, num_experts=2, num_experts_per_tok=1, moe_intermediate_size=128,
                       shared_expert_intermediate_size=128, linear_num_key_heads=2, linear_num_value_heads=4, linear_key_head_dim=32,
                       linear_value_head_dim=32),
    "granitemoehybrid": dict(num_local_experts=4, num_experts_per_tok=2, mamba_n_heads=8, mamba_d_head=64, mamba_d_state=16,
                             shared_intermediate_size=128, layer_types=["mamba", "attention"]),
    "apertus": {},
    "deepseek_v3": dict(q_lora_rank=96, kv_lora_rank=64, qk_nope_head_dim=32, qk_rope_head_dim=32, v_head_dim=32, n_routed_experts=4,
                        num_experts_per_tok=2, moe_intermediate_size=128, first_k_dense_replace=1, num_key_value_heads=4, n_group=1,
                        topk_group=1),
}


def header(path):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        return json.loads(file.read(length))


def line(name, by, config, tensors):
    """One fixture; `tensors` is a header as it stands in the file."""
    tensors = {key: value for key, value in tensors.items() if key != "__metadata__"}
    total = max((value["data_offsets"][1] for value in tensors.values()), default=0)
    short = {key: [value["dtype"], value["shape"], *value["data_offsets"]] for key, value in tensors.items()}
    print(json.dumps({"name": name, "by": by, "config": config, "header": short, "total_size": total}, separators=(",", ":")),
          flush=True)


def saved(name, by, model, config=None):
    """What save_pretrained writes."""
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        config = config or json.load(open(os.path.join(folder, "config.json")))
        line(name, by, config, header(os.path.join(folder, "model.safetensors")))


def tiny(kind, **more):
    keys = {**SMALL, **FAMILIES[kind], **more}
    return AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **keys), dtype=torch.bfloat16)


def plain():
    by = f"transformers {transformers.__version__}"
    for kind in FAMILIES:
        try:
            saved(kind, by, tiny(kind))
        except Exception as error:  # A family that this version cannot make.
            print(f"{kind}: {error}", file=sys.stderr)


def main():
    sys.path.insert(0, os.path.dirname(__file__))
    for what in sys.argv[1:] or ["plain", "quantised"]:
        if what == "plain":
            plain()
        else:
            import checkpoints_quantised
            checkpoints_quantised.main(tiny, saved, line)


if __name__ == "__main__":
    main()
