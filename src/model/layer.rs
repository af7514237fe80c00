//! Kinds of layers: how tokens are mixed, what is done to each token, and what is normalised.

use super::attention_form::Form;
pub use super::dense::{Activation, Dense, Norm};
use super::limits;
use super::recurrent::Recurrent;
use super::visible::block_pairs;

/// What multi-head latent attention keeps, and how it attends: runtimes differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Latents {
    /// Expanded keys and values are kept, and attended to head by head.
    Expanded,
    /// Latents are kept; every pass expands all that are visible, and attends head by head.
    Naive,
    /// Latents are kept and attended to: queries go into the space of latents, results come out of it.
    Absorbed,
}

impl Latents {
    /// All ways.
    pub(super) const ALL: [Latents; 3] = [Latents::Expanded, Latents::Naive, Latents::Absorbed];
}

/// Alike layers: one mixer, one feed-forward, one way of normalising.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Which layers these are, counted from 0.
    pub places: Vec<u64>,
    /// How tokens are mixed.
    pub mixer: Mixer,
    /// What is done to each token; none where the mixer is the whole layer.
    pub feed_forward: Option<FeedForward>,
    /// What is normalised.
    pub norms: Norms,
}

impl Layer {
    /// Layer after layer, alike ones together, in order of first appearance.
    pub(super) fn grouped<E>(
        layers: impl IntoIterator<Item = Result<(Mixer, Option<FeedForward>, Norms), E>>,
    ) -> Result<Vec<Layer>, E> {
        let mut kinds: Vec<Layer> = Vec::new();
        for (layer, place) in layers.into_iter().zip(0..) {
            let (mixer, feed_forward, norms) = layer?;
            let own = Layer { places: vec![place], mixer, feed_forward, norms };
            match kinds.iter_mut().find(|kind| kind.is_like(&own)) {
                Some(kind) => kind.places.push(place),
                None => kinds.push(own),
            }
        }
        Ok(kinds)
    }

    fn is_like(&self, other: &Layer) -> bool {
        (&self.mixer, &self.feed_forward, self.norms) == (&other.mixer, &other.feed_forward, other.norms)
    }

    /// How many of them the model has.
    pub fn count(&self) -> u64 {
        self.places.len() as u64
    }

    /// What lies beyond the limits of any model, in words.
    pub(super) fn excess(&self) -> Option<&'static str> {
        let ffn = self.feed_forward.as_ref().and_then(FeedForward::excess);
        self.mixer.excess().or(ffn)
    }
}

/// How a layer mixes tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mixer {
    /// Softmax attention over cached keys and values, each shared by a group of query heads.
    GroupedQuery(GroupedQuery),
    /// Softmax attention over keys and values that are expanded from a cached latent.
    Latent(Latent),
    /// Softmax attention over a window, and over keys that stand for many tokens each.
    Compressed(Compressed),
    /// A state of fixed size instead of a cache.
    Recurrent(Recurrent),
    /// Attention and a recurrence side by side, their outputs added.
    Both(GroupedQuery, Recurrent),
    /// One matrix, token by token, where attention was left out (Puzzle, 2024).
    Linear,
    /// None: the feed-forward is the whole layer.
    Nothing,
}

/// Grouped-query attention (Ainslie et al. 2023); with as many kv heads as heads it is multi-head attention, with one
/// it is multi-query attention.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupedQuery {
    /// Query heads.
    pub heads: u64,
    /// Key/value heads; divides `heads`.
    pub kv_heads: u64,
    /// Elements of one query and of one key.
    pub head_dim: u64,
    /// Elements of one value.
    pub value_dim: u64,
    /// Elements of one head that are rotated by their position; 0 where positions are learned or not used.
    pub rotary: u64,
    /// Keys that a token sees at most, itself included; none for all of them.
    pub window: Option<u64>,
    /// Tokens of a chunk, where a token sees those of its own chunk only.
    pub chunk: Option<u64>,
    /// What multiplies the output.
    pub gate: Gate,
    /// How the output is normalised before it is projected, where it is.
    pub output_norm: Option<Norm>,
    /// What chooses blocks of keys, where not all are attended to.
    pub chosen: Option<ChosenBlocks>,
    /// Which projections add a bias.
    pub biases: Biases,
    /// What is done to queries and keys after the projection.
    pub head_norm: HeadNorm,
    /// Whether values are normalised, with nothing learned.
    pub value_norm: bool,
    /// Whether keys, before they are rotated, are the values, too: one projection for both.
    pub keys_are_values: bool,
    /// Whether keys and values are those of an earlier layer: nothing is projected for them, or kept.
    pub shares: bool,
    /// Whether each head has a learned score that no key answers to.
    pub sinks: bool,
    /// Whether scores are capped by a tanh.
    pub soft_cap: bool,
    /// How it is made, beside its heads.
    pub form: Form,
}

impl GroupedQuery {
    /// Elements of one key and its value.
    pub fn row(&self) -> u64 {
        self.head_dim + self.value_dim
    }
}

/// A gate on the output of attention, by its sigmoid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// None.
    None,
    /// One number for each element, projected beside each query.
    WithQueries,
    /// One number for each element, projected apart.
    Apart,
    /// One number for each head.
    PerHead,
}

/// Blocks of keys, of which a small attention without values chooses the best (MiniMax-M3, 2026): those of the token itself are
/// always among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChosenBlocks {
    /// Keys of a block.
    pub block: u64,
    /// Blocks that a token attends to, at most.
    pub blocks: u64,
    /// What scores keys; a block is as good as its best.
    pub indexer: Indexer,
}

/// Multi-head latent attention (DeepSeek-V2, 2024).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Latent {
    /// Heads.
    pub heads: u64,
    /// Elements of the latent that queries are expanded from; none where they are projected at once.
    pub query_rank: Option<u64>,
    /// Elements of the latent that keys and values are expanded from.
    pub rank: u64,
    /// Elements of one query and key that are not rotated.
    pub plain_dim: u64,
    /// Elements of one query that are rotated, and of the key that all heads share.
    pub rotary_dim: u64,
    /// Elements of one value.
    pub value_dim: u64,
    /// Whether the projections into the latents and the output add a bias.
    pub bias: bool,
    /// What multiplies the output.
    pub gate: Gate,
    /// Keys that a token attends to, at most; none for all of them.
    pub selected: Option<u64>,
    /// What chooses them; none where an earlier layer's choice is taken, or there is none.
    pub indexer: Option<Indexer>,
}

/// The lightning indexer of DeepSeek-V3.2 (2025): a small attention without values, whose best keys are attended to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Indexer {
    /// Its heads; all share one key.
    pub heads: u64,
    /// Elements of one head.
    pub head_dim: u64,
}

/// Attention over a window and compressed keys (DeepSeek-V4, 2026): one row is key and value of all heads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compressed {
    /// Heads.
    pub heads: u64,
    /// Elements of a head, and of the row that is key and value.
    pub head_dim: u64,
    /// Elements of the latent that queries are expanded from.
    pub query_rank: u64,
    /// Elements of a head that are rotated.
    pub rotary: u64,
    /// Groups of heads whose outputs are projected apart first.
    pub groups: u64,
    /// Elements that a group is projected to.
    pub output_rank: u64,
    /// Keys of single tokens that a token sees, itself included.
    pub window: u64,
    /// How tokens become compressed keys, where they do.
    pub compression: Option<Compression>,
}

/// Many tokens as one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compression {
    /// Tokens of a window, which become one key.
    pub rate: u64,
    /// Whether each key is made of two windows, the earlier one seen by projections of its own.
    pub overlaps: bool,
    /// What chooses compressed keys, and how many of them; none where all are attended to.
    pub chosen: Option<(Indexer, u64)>,
}

impl Compressed {
    /// Elements of the compressed key that a window of tokens becomes, and of the indexer's.
    fn entry(&self) -> u64 {
        let of_indexer = |compression: Compression| compression.chosen.map_or(0, |(indexer, _)| indexer.head_dim);
        self.compression.map_or(0, |compression| self.head_dim + of_indexer(compression))
    }

    fn is_lawful(&self) -> bool {
        let heads = |count| (1..=limits::HEADS).contains(&count);
        let sizes = |sizes: &[u64]| sizes.iter().all(|size| (1..=limits::HEAD_DIM).contains(size));
        let lawful = |c: Compression| {
            sizes(&[c.rate]) && c.chosen.is_none_or(|(i, most)| heads(i.heads) && sizes(&[i.head_dim, most]))
        };
        heads(self.heads)
            && sizes(&[self.head_dim, self.query_rank, self.groups, self.output_rank])
            && (self.heads * self.head_dim).is_multiple_of(self.groups)
            && (1..=limits::POSITIONS).contains(&self.window)
            && self.rotary <= self.head_dim
            && self.compression.is_none_or(lawful)
    }
}

impl Mixer {
    /// Whether it has a cache that it fills itself.
    pub(super) fn fills_its_cache(&self) -> bool {
        !matches!(self, Mixer::GroupedQuery(GroupedQuery { shares: true, .. }))
    }

    /// Cache elements that one token leaves in one such layer.
    pub(super) fn cached_per_token(&self, latents: Latents) -> u64 {
        match self {
            Mixer::GroupedQuery(a) if a.shares => 0,
            Mixer::GroupedQuery(a) | Mixer::Both(a, _) => {
                a.kv_heads * a.row() + a.chosen.map_or(0, |chosen| chosen.indexer.head_dim)
            }
            Mixer::Compressed(a) => a.head_dim + a.compression.map_or(0, |c| a.entry().div_ceil(c.rate)),
            Mixer::Latent(a) => a.cached(latents) + a.indexer.map_or(0, |indexer| indexer.head_dim),
            Mixer::Recurrent(_) | Mixer::Linear | Mixer::Nothing => 0,
        }
    }

    /// Elements that one such layer keeps of a sequence of `tokens` tokens, and the last of them does not read: of the keys from
    /// which an indexer chooses, those that it leaves out.
    pub(super) fn kept_unread(&self, tokens: u64) -> u128 {
        match self {
            Mixer::GroupedQuery(a @ GroupedQuery { chosen: Some(chosen), .. }) => {
                let read = block_pairs(1, tokens.saturating_sub(1), chosen.block, chosen.blocks);
                u128::from(a.kv_heads * a.row()) * u128::from(tokens).saturating_sub(read)
            }
            Mixer::Compressed(Compressed { head_dim, compression: Some(Compression { rate, chosen, .. }), .. }) => {
                let left = chosen.map_or(0, |(_, most)| (tokens / rate).saturating_sub(most));
                u128::from(*head_dim) * u128::from(left)
            }
            _ => 0,
        }
    }

    /// Elements that one such layer keeps of a sequence, however long.
    pub(crate) fn kept(&self) -> u64 {
        match self {
            Mixer::GroupedQuery(_) | Mixer::Latent(_) | Mixer::Compressed(_) | Mixer::Linear | Mixer::Nothing => 0,
            Mixer::Recurrent(recurrent) | Mixer::Both(_, recurrent) => recurrent.kept(),
        }
    }

    /// Attention over keys and values of its own, where it has that.
    pub fn grouped_query(&self) -> Option<&GroupedQuery> {
        match self {
            Mixer::GroupedQuery(attention) | Mixer::Both(attention, _) => Some(attention),
            Mixer::Latent(_) | Mixer::Compressed(_) | Mixer::Recurrent(_) | Mixer::Linear | Mixer::Nothing => None,
        }
    }

    /// A recurrence, where it has one.
    pub fn recurrent(&self) -> Option<&Recurrent> {
        match self {
            Mixer::Recurrent(recurrent) | Mixer::Both(_, recurrent) => Some(recurrent),
            Mixer::GroupedQuery(_) | Mixer::Latent(_) | Mixer::Compressed(_) | Mixer::Linear | Mixer::Nothing => None,
        }
    }

    fn excess(&self) -> Option<&'static str> {
        let heads = |count| (1..=limits::HEADS).contains(&count);
        let sizes = |sizes: &[u64]| sizes.iter().all(|size| (1..=limits::HEAD_DIM).contains(size));
        let lawful = match self {
            Mixer::Compressed(a) => a.is_lawful(),
            Mixer::Latent(a) => {
                let indexed = a.indexer.is_none_or(|i| heads(i.heads) && sizes(&[i.head_dim]));
                let (queries, indexed) = (a.query_rank.unwrap_or(1), indexed && a.selected != Some(0));
                heads(a.heads) && sizes(&[a.rank, a.plain_dim, a.rotary_dim, a.value_dim, queries]) && indexed
            }
            _ => {
                let attends = self.grouped_query().is_none_or(|a| {
                    let groups = heads(a.heads) && (1..=a.heads).contains(&a.kv_heads);
                    let chosen = a
                        .chosen
                        .is_none_or(|c| heads(c.indexer.heads) && sizes(&[c.indexer.head_dim, c.block, c.blocks]));
                    let rotates = a.rotary <= a.head_dim && a.chunk != Some(0);
                    groups && sizes(&[a.head_dim, a.value_dim]) && rotates && chosen
                });
                attends && !self.recurrent().is_some_and(Recurrent::is_excessive)
            }
        };
        (!lawful).then_some("a number of heads or their size")
    }
}

impl Latent {
    /// Elements of the latent and of the rotated key beside it.
    pub fn row(&self) -> u64 {
        self.rank + self.rotary_dim
    }

    /// Elements of the keys and values of all heads for one token.
    pub fn expanded(&self) -> u64 {
        self.heads * (self.plain_dim + self.rotary_dim + self.value_dim)
    }

    pub(super) fn cached(&self, latents: Latents) -> u64 {
        match latents {
            Latents::Expanded => self.expanded(),
            Latents::Naive | Latents::Absorbed => self.row(),
        }
    }
}

/// Which attention projections add a bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Biases {
    /// None of them.
    None,
    /// Query, key and value, but not the output.
    QueryKeyValue,
    /// The output alone.
    Output,
    /// All four.
    All,
}

/// Normalisation of queries and keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadNorm {
    /// None.
    None,
    /// Over each head, one set of weights of `head_dim` for queries and one for keys.
    PerHead(Norm),
    /// Over all heads together, or over each with weights of its own: as many weights as the row has elements.
    Row(Norm),
}

/// What a layer normalises, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Norms {
    /// How.
    pub kind: Norm,
    /// The input of the mixer; in a parallel block without `before_feed_forward` that of both.
    pub before_mixer: bool,
    /// The output of the mixer.
    pub after_mixer: bool,
    /// The input of the feed-forward.
    pub before_feed_forward: bool,
    /// The output of the feed-forward.
    pub after_feed_forward: bool,
}

/// What a layer does to each token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeedForward {
    /// The same for every token.
    Dense(Dense),
    /// A choice of experts for each token.
    Mixture(Mixture),
}

/// A mixture of experts (Shazeer et al. 2017).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mixture {
    /// Routed experts.
    pub experts: u64,
    /// Of which each token visits so many: on average, where it may choose some that compute nothing.
    pub used: u64,
    /// Scores of the router: one for each expert, and for each that computes nothing.
    pub scores: u64,
    /// One of them.
    pub expert: Dense,
    /// Whether the router adds a bias to its scores.
    pub router_bias: bool,
    /// Whether the choice is corrected by a learned term per expert.
    pub correction: bool,
    /// What every token visits besides.
    pub shared: Option<Shared>,
    /// The width at which routed experts work, where a matrix before them and one behind translate.
    pub latent: Option<u64>,
    /// Whether routed experts and what every token visits have norms of their own, and the router scales (Gemma 4).
    pub normed_apart: bool,
    /// Whether a bias is added behind the experts.
    pub output_bias: bool,
}

/// Experts that every token visits, as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shared {
    /// The matrices.
    pub dense: Dense,
    /// Whether a learned scalar gate weighs its output.
    pub gate: bool,
}

impl FeedForward {
    fn excess(&self) -> Option<&'static str> {
        let fits = |dense: &Dense| (1..=limits::WIDTH).contains(&dense.width);
        match self {
            FeedForward::Dense(dense) => (!fits(dense)).then_some("a feed-forward width"),
            FeedForward::Mixture(m) => {
                let shared = m.shared.is_none_or(|shared| fits(&shared.dense));
                let counts = (1..=limits::EXPERTS).contains(&m.experts)
                    && (1..=2 * limits::EXPERTS).contains(&m.scores)
                    && (1..=m.experts).contains(&m.used)
                    && (1..=limits::HIDDEN).contains(&m.latent.unwrap_or(1));
                (!(fits(&m.expert) && shared && counts)).then_some("a number of experts or their width")
            }
        }
    }
}
