#!/usr/bin/env python3
"""Writes a GGUF file with the shapes of a model and random F16 weights.

usage: make_gguf.py NAME OUT.gguf     (pip install gguf numpy)
       make_gguf.py --list

llama-quantize and llama-bench accept the result: speed does not depend on the values of weights. No tokenizer is written
(vocabulary type "no_vocab"). Shapes are those of published models; those whose name ends in "-small" are cut down from one, so
that a mixture of experts and latent attention fit in 2 GB.
"""
import sys

import gguf
import numpy as np

SHAPES = {
    "smollm2-135m": dict(arch="llama", hidden=576, layers=30, heads=9, kv=3, dim=64, ffn=1536, vocab=49152, tied=True),
    "smollm2-360m": dict(arch="llama", hidden=960, layers=32, heads=15, kv=5, dim=64, ffn=2560, vocab=49152, tied=True),
    "qwen2.5-0.5b": dict(arch="qwen2", hidden=896, layers=24, heads=14, kv=2, dim=64, ffn=4864, vocab=151936, tied=True),
    "qwen3-0.6b": dict(arch="qwen3", hidden=1024, layers=28, heads=16, kv=8, dim=128, ffn=3072, vocab=151936, tied=True),
    "gemma-3-270m": dict(arch="gemma3", hidden=640, layers=18, heads=4, kv=1, dim=256, ffn=2048, vocab=262144, tied=True, window=512),
    "tinyllama-1.1b": dict(arch="llama", hidden=2048, layers=22, heads=32, kv=4, dim=64, ffn=5632, vocab=32000, tied=False),
    "llama-3.2-1b": dict(arch="llama", hidden=2048, layers=16, heads=32, kv=8, dim=64, ffn=8192, vocab=128256, tied=True),
    "olmoe-small": dict(arch="olmoe", hidden=1024, layers=12, heads=16, kv=16, dim=64, ffn=512, vocab=50304, tied=False, experts=32, used=4),
    "qwen3-moe-small": dict(arch="qwen3moe", hidden=1024, layers=12, heads=16, kv=4, dim=64, ffn=512, vocab=65536, tied=True, experts=32, used=4),
    "deepseek-v2-small": dict(arch="deepseek2", hidden=1024, layers=12, heads=16, kv=16, dim=192, ffn=2816, vocab=51200, tied=False,
                              experts=24, used=4, shared=2, expert_ffn=512, q_lora=768, kv_lora=512, rope=64, nope=128, v=128, dense=1),
    "lfm2-350m": dict(arch="lfm2", hidden=1024, layers=16, heads=16, kv=8, dim=64, ffn=4608, vocab=65536, tied=True,
                      attention=[2, 5, 8, 10, 12, 14], conv=3),
}

_pool = (np.random.default_rng(0).standard_normal(1 << 22) * 0.02).astype(np.float16)


def random(*shape):
    return np.resize(_pool, int(np.prod(shape))).reshape(shape)


def ones(n):
    return np.ones(n, np.float32)


class Writer:
    """One file: the head's keys, then its tensors."""

    def __init__(self, shape, out):
        self.s, self.w = shape, gguf.GGUFWriter(out, shape["arch"])

    def head(self):
        s, w = self.s, self.w
        w.add_context_length(32768)
        w.add_embedding_length(s["hidden"])
        w.add_block_count(s["layers"])
        w.add_feed_forward_length(s["ffn"])
        w.add_head_count(s["heads"])
        attention = s.get("attention")
        w.add_head_count_kv([s["kv"] if i in attention else 0 for i in range(s["layers"])] if attention else s["kv"])
        w.add_layer_norm_rms_eps(1e-6)
        w.add_rope_freq_base(10000.0)
        w.add_vocab_size(s["vocab"])
        w.add_tokenizer_model("no_vocab")
        w.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
        if s["arch"] != "deepseek2":
            w.add_key_length(s["dim"])
            w.add_value_length(s["dim"])
            w.add_rope_dimension_count(s["dim"])
        if "experts" in s:
            w.add_expert_count(s["experts"])
            w.add_expert_used_count(s["used"])
            w.add_expert_feed_forward_length(s.get("expert_ffn", s["ffn"]))
        if s["arch"] == "deepseek2":
            w.add_key_length(s["kv_lora"] + s["rope"])
            w.add_value_length(s["kv_lora"])
            w.add_key_length_mla(s["nope"] + s["rope"])
            w.add_value_length_mla(s["v"])
            w.add_head_count_kv(1)
            w.add_q_lora_rank(s["q_lora"])
            w.add_kv_lora_rank(s["kv_lora"])
            w.add_rope_dimension_count(s["rope"])
            w.add_leading_dense_block_count(s["dense"])
            w.add_expert_shared_count(s["shared"])
            w.add_expert_weights_scale(1.0)
            w.add_expert_gating_func(gguf.ExpertGatingFuncType.SOFTMAX)
        if "window" in s:
            w.add_sliding_window(s["window"])
        if "conv" in s:
            w.add_shortconv_l_cache(s["conv"])

    def matrix(self, name, *shape):
        self.w.add_tensor(name + ".weight", random(*shape))

    def norm(self, name, n):
        self.w.add_tensor(name + ".weight", ones(n))

    def attention(self, b):
        s = self.s
        h, heads, kv, dim = s["hidden"], s["heads"], s["kv"], s["dim"]
        if s["arch"] == "deepseek2":
            self.matrix(b + "attn_q_a", s["q_lora"], h)
            self.norm(b + "attn_q_a_norm", s["q_lora"])
            self.matrix(b + "attn_q_b", heads * (s["nope"] + s["rope"]), s["q_lora"])
            self.matrix(b + "attn_kv_a_mqa", s["kv_lora"] + s["rope"], h)
            self.norm(b + "attn_kv_a_norm", s["kv_lora"])
            self.matrix(b + "attn_k_b", heads, s["kv_lora"], s["nope"])
            self.matrix(b + "attn_v_b", heads, s["v"], s["kv_lora"])
            self.matrix(b + "attn_output", h, heads * s["v"])
            return
        self.matrix(b + "attn_q", heads * dim, h)
        self.matrix(b + "attn_k", kv * dim, h)
        self.matrix(b + "attn_v", kv * dim, h)
        self.matrix(b + "attn_output", h, heads * dim)
        if s["arch"] == "qwen2":
            for part, n in (("q", heads * dim), ("k", kv * dim), ("v", kv * dim)):
                self.w.add_tensor(b + f"attn_{part}.bias", ones(n))
        if s["arch"] in ("qwen3", "qwen3moe", "gemma3", "lfm2"):
            self.norm(b + "attn_q_norm", dim)
            self.norm(b + "attn_k_norm", dim)
        if s["arch"] == "olmoe":
            self.norm(b + "attn_q_norm", heads * dim)
            self.norm(b + "attn_k_norm", kv * dim)

    def feed_forward(self, b, i):
        s = self.s
        h = s["hidden"]
        if "experts" in s and i >= s.get("dense", 0):
            n, e = s.get("expert_ffn", s["ffn"]), s["experts"]
            self.w.add_tensor(b + "ffn_gate_inp.weight", random(e, h).astype(np.float32))
            self.matrix(b + "ffn_gate_exps", e, n, h)
            self.matrix(b + "ffn_up_exps", e, n, h)
            self.matrix(b + "ffn_down_exps", e, h, n)
            if "shared" in s:
                self.matrix(b + "ffn_gate_shexp", n * s["shared"], h)
                self.matrix(b + "ffn_up_shexp", n * s["shared"], h)
                self.matrix(b + "ffn_down_shexp", h, n * s["shared"])
            return
        for name, rows, columns in (("gate", s["ffn"], h), ("up", s["ffn"], h), ("down", h, s["ffn"])):
            self.matrix(b + "ffn_" + name, rows, columns)

    def layer(self, i):
        s, b = self.s, f"blk.{i}."
        h = s["hidden"]
        self.norm(b + "attn_norm", h)
        self.norm(b + "ffn_norm", h)
        if s["arch"] == "gemma3":
            self.norm(b + "post_attention_norm", h)
            self.norm(b + "post_ffw_norm", h)
        if "attention" in s and i not in s["attention"]:
            self.w.add_tensor(b + "shortconv.conv.weight", random(h, s["conv"]).astype(np.float32))
            self.matrix(b + "shortconv.in_proj", 3 * h, h)
            self.matrix(b + "shortconv.out_proj", h, h)
        else:
            self.attention(b)
        self.feed_forward(b, i)

    def write(self):
        s = self.s
        self.head()
        self.matrix("token_embd", s["vocab"], s["hidden"])
        for i in range(s["layers"]):
            self.layer(i)
        self.norm("token_embd_norm" if s["arch"] == "lfm2" else "output_norm", s["hidden"])
        if not s["tied"]:
            self.matrix("output", s["vocab"], s["hidden"])
        self.w.write_header_to_file()
        self.w.write_kv_data_to_file()
        self.w.write_tensors_to_file()
        self.w.close()


if __name__ == "__main__":
    if sys.argv[1:] == ["--list"]:
        print("\n".join(SHAPES))
    elif len(sys.argv) == 3 and sys.argv[1] in SHAPES:
        Writer(SHAPES[sys.argv[1]], sys.argv[2]).write()
    else:
        sys.exit(__doc__)
