/**
 * Reads a `tokenizer.json` of the Hugging Face library, as far as models of words have it: WordPiece, Unigram and byte-level BPE,
 * the usual normalizers and pre-tokenizers. What it does not know is refused by name, because leaving a step out would give other
 * tokens, and vectors that look right. Regular expressions of a file are never run.
 */
import { z } from 'zod'
import { bytePairTokens } from './byte-pair.ts'
import { readNormalizer, readPreTokenizer } from './tokenizer-steps.ts'
import { refusedModel } from './refused-model.ts'
import { unigramTokens } from './unigram.ts'
import { wordPieceTokens } from './word-piece.ts'
import type { WordTokens } from './word-tokens.ts'

export interface Tokenizer {
  readonly tokens: number
  /** Ids in order, without special tokens; what is unknown is left out, as model2vec does. */
  encode(text: string): readonly number[]
}

const maxTokens = 1_000_000
const vocabulary = z.record(z.string(), z.int().min(0).max(maxTokens))
const wordPiece = z.object({
  type: z.literal('WordPiece').optional(),
  vocab: vocabulary,
  unk_token: z.string().default('[UNK]'),
  continuing_subword_prefix: z.string().max(8).default('##'),
  max_input_chars_per_word: z.int().min(1).max(1_000).default(100),
})
const unigram = z.object({
  type: z.literal('Unigram').optional(),
  vocab: z.array(z.tuple([z.string(), z.number()])).max(maxTokens),
  unk_id: z.int().nullish(),
})
const bytePair = z.object({
  type: z.literal('BPE').optional(),
  vocab: vocabulary,
  merges: z.array(z.union([z.string(), z.tuple([z.string(), z.string()])])).max(maxTokens),
})

/** @param document parsed JSON @throws OxbowError `bad_config` that names what it does not know */
export function readTokenizer(document: unknown): Tokenizer {
  const shape = z
    .object({ model: z.record(z.string(), z.unknown()), normalizer: z.unknown().optional(), pre_tokenizer: z.unknown().optional() })
    .safeParse(document)
  if (!shape.success) throw refusedModel('its tokenizer.json has no model')
  const { model } = shape.data
  const normalize = readNormalizer(shape.data.normalizer ?? null)
  const split = readPreTokenizer(shape.data.pre_tokenizer ?? null)
  const { tokens, ofWord } = readModel(model)
  return {
    tokens,
    encode: (text) => {
      const ids: number[] = []
      for (const word of split(normalize(text))) for (const id of ofWord(word)) if (id >= 0) ids.push(id)
      return ids
    },
  }
}

function readModel(model: Readonly<Record<string, unknown>>): { tokens: number; ofWord: WordTokens } {
  const type = typeof model['type'] === 'string' ? model['type'] : guessType(model)
  if (type === 'WordPiece') {
    const { vocab, unk_token, continuing_subword_prefix, max_input_chars_per_word } = parsed(wordPiece, model)
    const ids = new Map(Object.entries(vocab))
    ids.delete(unk_token)
    return { tokens: sizeOf(Object.values(vocab)), ofWord: wordPieceTokens(ids, continuing_subword_prefix, max_input_chars_per_word) }
  }
  if (type === 'Unigram') {
    const { vocab, unk_id } = parsed(unigram, model)
    return { tokens: vocab.length, ofWord: unigramTokens(vocab, unk_id ?? -1) }
  }
  if (type === 'BPE') {
    const { vocab, merges } = parsed(bytePair, model)
    const pairs = merges.map((merge): readonly [string, string] => {
      if (typeof merge !== 'string') return merge
      const space = merge.indexOf(' ')
      return [merge.slice(0, space), merge.slice(space + 1)]
    })
    return { tokens: sizeOf(Object.values(vocab)), ofWord: bytePairTokens(new Map(Object.entries(vocab)), pairs) }
  }
  throw refusedModel(`its tokenizer is a ${JSON.stringify(type).slice(0, 40)}, which is not known here`)
}

/** Older files do not say it. */
function guessType(model: Readonly<Record<string, unknown>>): string {
  if (Array.isArray(model['vocab'])) return 'Unigram'
  return Array.isArray(model['merges']) ? 'BPE' : 'WordPiece'
}

function parsed<Shape>(schema: z.ZodType<Shape>, model: unknown): Shape {
  const read = schema.safeParse(model)
  if (!read.success) throw refusedModel(`its tokenizer is not as it should be (${read.error.issues[0]?.path.join('.').slice(0, 40) ?? ''})`)
  return read.data
}

function sizeOf(ids: readonly number[]): number {
  let most = -1
  for (const id of ids) if (id > most) most = id
  return most + 1
}
