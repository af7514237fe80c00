//! What keys of a configuration mean that no family reads: data, with the reason for each verdict.

/// What is to be done about a key that no family reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It changes no count.
    Harmless,
    /// It announces a structure that is counted only in families that have it: the configuration is refused.
    Structure,
    /// It may change a count: the result carries a note.
    Shape,
}

/// Keys with the same verdict for the same reason.
pub(super) struct Rule {
    pub(super) verdict: Verdict,
    /// Why. For a structure, its name.
    pub(super) reason: &'static str,
    /// Patterns, apart by spaces: `key`, `start*`, `*end`, and `~word` for a word between underscores.
    keys: &'static str,
}

/// The reason of the keys that wrappers have.
pub(super) const WRAPPER: &str = "a multimodal wrapper";

/// Every rule. The first that fits a key decides.
const RULES: &[Rule] = &[
    harmless(
        "how text is generated",
        "do_sample early_stopping max_length max_new_tokens min_length no_repeat_ngram_size num_beams num_beam_groups \
         num_logits_to_keep num_return_sequences encoder_no_repeat_ngram_size bad_words suppress_tokens \
         begin_suppress_tokens generation_config top_k use_cache output_past is_decoder is_causal",
    ),
    harmless(
        "what is returned beside the logits",
        "output_attentions output_hidden_states output_router_logits output_scores return_dict \
         return_dict_in_generate use_return_dict keys_to_ignore_at_inference torchscript",
    ),
    harmless(
        "the tokenizer, labels and bookkeeping",
        "add_prefix_space auto_map custom_pipelines dataset datasets eos_token id2label label2id language languages \
         metadata num_labels _num_labels predict_special_tokens tags task_specific_params tokenizer is_llama_config \
         tie_encoder_decoder quantization_method",
    ),
    harmless(
        "training",
        "gradient_checkpointing neftune_noise_alpha norm_topk_prob seed seq_aux document_attention *_dropout *_pdrop \
         *_prob *_coef *_coeff *_std *_loss",
    ),
    harmless(
        "how long a context may be",
        "context_window_size initial_context_length max_position_embeddings max_sequence_length max_seq_len \
         max_seq_length max_window_layers model_max_length original_max_position_embeddings seq_length \
         dual_chunk_attention_config logn_attn use_logn_attn use_dynamic_ntk use_scaled_rope",
    ),
    harmless(
        "factors and limits of values",
        "attention_multiplier embedding_multiplier residual_multiplier logits_scaling mup_denominator query_pre_attn_scalar \
         routed_scaling_factor scale_attn_weights scale_emb scale_depth swiglu_limit theta *_eps *_epsilon *_theta \
         *_base_freq *_range",
    ),
    harmless(
        "how an engine computes the same thing",
        "chunk_size_feed_forward fuse_* fused_* indexer_rope_interleave move_model_to_device pretraining_tp reorder_and_upcast_attn tensor_parallel \
         upcast_attn use_bfloat16 use_flashattn use_mambapy *_fp32 *_impl",
    ),
    harmless("the numbers of tokens", "*_token_id *_token_index *_ids"),
    structure(WRAPPER, "text_config vision_config audio_config embd_layer ~vision ~audio ~text ~thinker ~talker"),
    structure("a quantised checkpoint", "quantization_config quantization compression_config"),
    structure(
        "a mixture of experts",
        "num_local_experts num_experts n_routed_experts num_experts_per_tok moe_intermediate_size ~expert ~experts ~moe",
    ),
    structure("multi-head latent attention", "kv_lora_rank ~latent ~mla"),
    structure("adapters of low rank", "~lora ~adapter"),
    structure("multi-token prediction", "num_nextn_predict_layers ~nextn ~mtp"),
    structure("layers that share a cache", "num_kv_shared_layers ~share ~shared"),
    structure("layers of differing shape", "block_configs attn_layer* ~pattern ~hybrid ~skip"),
    structure("an encoder", "is_encoder_decoder ~encoder ~decoder"),
    structure("cross attention", "add_cross_attention ~cross ~bidirectional"),
    structure("sparse attention", "sparse_config ~sparse ~indexer ~index ~compress"),
    structure("attention over chunks", "attention_chunk_size"),
    structure("gates behind attention", "attn_output_gate ~gate"),
    structure("recurrent layers", "~mamba ~ssm ~rnn ~lru ~wkv ~conv ~delta ~linear ~state ~memory"),
    structure("an embedding for each layer", "hidden_size_per_layer_input ~altup ~laurel ~ple"),
    harmless(
        "bookkeeping of tools, and settings of kernels, of rotary positions and of routers",
        "_* flash_* rope_* rotary_* router_* summary_* time_step_* transformers* unsloth_* use_flash_* \
         yarn_*",
    ),
    Rule {
        verdict: Verdict::Shape,
        reason: "its name is that of an extent or of a part",
        keys: "~bias ~block ~blocks ~channels ~chunk ~d ~depth ~dim ~dims ~embed ~embedding ~embeddings ~expand ~ff ~ffn \
               ~groups ~head ~heads ~hidden ~inner ~intermediate ~interval ~kernel ~kv ~layer ~layernorm ~layers \
               ~mlp ~n ~norm ~num ~parallel ~qkv ~rank ~ratio ~residual ~sink ~sinks ~size ~tie ~vocab ~width ~window",
    },
];

const fn harmless(reason: &'static str, keys: &'static str) -> Rule {
    Rule { verdict: Verdict::Harmless, reason, keys }
}

const fn structure(reason: &'static str, keys: &'static str) -> Rule {
    Rule { verdict: Verdict::Structure, reason, keys }
}

/// The rule that decides about a key; none where no rule fits it.
pub(super) fn rule(key: &str) -> Option<&'static Rule> {
    let lower = key.to_ascii_lowercase();
    let fits = |pattern: &str| match (pattern.strip_prefix('~'), pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(word), ..) => lower.split('_').any(|part| part == word),
        (_, Some(end), _) => lower.ends_with(end),
        (.., Some(start)) => lower.starts_with(start),
        _ => lower == pattern,
    };
    RULES.iter().find(|rule| rule.keys.split_whitespace().any(fits))
}

/// The structures, each with the keys that announce it by their full name.
pub(super) fn structures() -> impl Iterator<Item = (&'static str, &'static str)> {
    let structures = RULES.iter().filter(|rule| rule.verdict == Verdict::Structure);
    structures.flat_map(|rule| {
        rule.keys.split_whitespace().filter(|key| !key.contains(['~', '*'])).map(|key| (key, rule.reason))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_names_are_judged_before_the_words_in_them() {
        for key in ["is_decoder", "tensor_parallel", "embedding_multiplier", "scale_depth", "fuse_cross_entropy"] {
            assert!(rule(key).is_some_and(|rule| rule.verdict == Verdict::Harmless), "{key}");
        }
        for key in ["decoder_layers", "router_experts", "cross_attention_layers", "mamba_d_state"] {
            assert!(rule(key).is_some_and(|rule| rule.verdict == Verdict::Structure), "{key}");
        }
        assert!(rule("hiden_size").is_some_and(|rule| rule.verdict == Verdict::Shape));
        assert!(rule("ngram").is_none());
    }

    #[test]
    fn no_key_stands_twice() {
        let mut keys: Vec<&str> = RULES.iter().flat_map(|rule| rule.keys.split_whitespace()).collect();
        let all = keys.len();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), all);
    }
}
