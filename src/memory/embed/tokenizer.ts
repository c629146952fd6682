/**
 * Tokenizer of a model in a folder: Hugging Face's library with the model's `tokenizer.json`. The file is untrusted: only the parts listed
 * here reach the library. Regular expressions from a file are never run, and an unknown step is refused by name, because leaving it out
 * would silently give wrong tokens.
 *
 * A tokenizer of our own gave the same tokens. With 29 000 tokens and passages of 640 characters the library opens in 30 to 60 ms
 * (loading it included), ours in 35 to 140 ms; a passage takes 0.2 ms with WordPiece (ours 0.1 ms), and the same time with Unigram.
 */
import { Tokenizer as Library } from '@huggingface/tokenizers'
import { z } from 'zod'
import { isObject, ownValue, OxbowError } from '../../base/index.ts'

export interface Tokenizer {
  readonly tokens: number
  /** Ids in order, without special tokens; unknown ones are left out, as model2vec does. */
  encode(text: string): readonly number[]
}

/** The one error for a folder that cannot be used. It names no path: the user knows which one is configured. */
export function refusedModel(why: string, cause?: unknown): OxbowError {
  return new OxbowError('bad_config', `The folder of the embedder cannot be used: ${why}.`, {
    hint: 'It must be a model2vec model: config.json, model.safetensors, tokenizer.json. `oxbow embed pull potion-base-8M` fetches one.',
    ...(cause === undefined ? {} : { cause }),
  })
}

/** @param document parsed JSON @throws OxbowError `bad_config` that names what it does not know */
export function readTokenizer(document: unknown): Tokenizer {
  if (!isObject(document) || !isObject(document['model'])) throw refusedModel('its tokenizer.json has no model')
  const { model, tokens, unknown } = readModel(document['model'])
  const normalizer = readStep(document['normalizer'], normalizers)
  const pre_tokenizer = readStep(document['pre_tokenizer'], preTokenizers)
  try {
    const library = new Library({ model, normalizer, pre_tokenizer, post_processor: null, decoder: null, added_tokens: [] }, {})
    const isKnown = (id: number | undefined): boolean => id !== undefined && id !== unknown && id < tokens
    return { tokens, encode: (text) => library.encode(text, { add_special_tokens: false }).ids.filter(isKnown) }
  } catch (cause) {
    throw refusedModel('its tokenizer cannot be read', cause)
  }
}

interface ReadModel {
  readonly model: object
  /** One more than the largest id. */
  readonly tokens: number
  /** Id of the unknown token. */
  readonly unknown: number | undefined
}

const maxTokens = 1_000_000
const wordPiece = z.object({
  unk_token: z.string().default('[UNK]'),
  continuing_subword_prefix: z.string().max(8).default('##'),
  max_input_chars_per_word: z.int().min(1).max(1_000).default(100),
})
const unigram = z.object({
  vocab: z.array(z.tuple([z.string(), z.number()])).max(maxTokens),
  unk_id: z.int().min(0).nullish(),
})
const merges = z.array(z.union([z.string(), z.tuple([z.string(), z.string()])])).max(maxTokens)

function readModel(model: Readonly<Record<string, unknown>>): ReadModel {
  const type = typeof model['type'] === 'string' ? model['type'] : guessType(model)
  if (type === 'WordPiece') {
    const { vocab, tokens } = readVocabulary(model['vocab'])
    const rest = parsed(wordPiece, model)
    return { model: { type, vocab, ...rest }, tokens, unknown: ownValue(vocab, rest.unk_token) }
  }
  if (type === 'Unigram') {
    const { vocab, unk_id } = parsed(unigram, model)
    // The library needs an unknown token: one after all others, which is left out of the result.
    const unknown = unk_id ?? vocab.length
    if (unknown > vocab.length) throw refusedModel('its tokenizer has no token for what is unknown')
    const whole = unknown === vocab.length ? [...vocab, ['\u0000unknown', -100]] : vocab
    return { model: { type, vocab: whole, unk_id: unknown }, tokens: vocab.length, unknown }
  }
  if (type === 'BPE') {
    const { vocab, tokens } = readVocabulary(model['vocab'])
    const shared = { unk_token: null, byte_fallback: false, end_of_word_suffix: '', continuing_subword_suffix: null }
    return { model: { type, vocab, merges: parsed(merges, model['merges']).map(pairOf), ...shared }, tokens, unknown: undefined }
  }
  throw refusedModel(`its tokenizer is a ${JSON.stringify(type).slice(0, 40)}, which is not supported`)
}

/** Older files write a pair as one string. */
function pairOf(merge: string | readonly [string, string]): readonly [string, string] {
  if (typeof merge !== 'string') return merge
  const space = merge.indexOf(' ')
  return [merge.slice(0, space), merge.slice(space + 1)]
}

/** Older files omit the type. */
function guessType(model: Readonly<Record<string, unknown>>): string {
  if (Array.isArray(model['vocab'])) return 'Unigram'
  return Array.isArray(model['merges']) ? 'BPE' : 'WordPiece'
}

/** Read by a loop: a schema takes a tenth of a second for a usual vocabulary. */
function readVocabulary(value: unknown): { readonly vocab: Readonly<Record<string, number>>; readonly tokens: number } {
  if (!isObject(value)) throw refusedModel('its tokenizer has no vocabulary')
  let tokens = 0
  for (const id of Object.values(value)) {
    if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id > maxTokens)
      throw refusedModel('its tokenizer has a token without a number')
    tokens = Math.max(tokens, id + 1)
  }
  return { vocab: value as Record<string, number>, tokens }
}

function parsed<Shape>(schema: z.ZodType<Shape>, model: unknown): Shape {
  const read = schema.safeParse(model)
  if (!read.success) throw refusedModel(`its tokenizer is not as it should be (${read.error.issues[0]?.path.join('.').slice(0, 40) ?? ''})`)
  return read.data
}

const normalizers: ReadonlySet<string> = new Set(
  'BertNormalizer Lowercase NFC NFD NFKC NFKD Precompiled Nmt StripAccents Strip Prepend Replace'.split(' '),
)
const preTokenizers: ReadonlySet<string> = new Set(
  'BertPreTokenizer Whitespace WhitespaceSplit Punctuation Digits Metaspace ByteLevel'.split(' '),
)
/** The expressions of known models; none other of a file is run. */
const knownExpressions: ReadonlySet<string> = new Set([' {2,}', '\\s+'])
/** Steps in a list, and characters of an option: models that model2vec distils have a step for each of 32 signs, and some. */
const maxSteps = 64
/** Maximum nesting of steps. */
const maxDepth = 4

/** @returns the step with its plain options. @throws OxbowError `bad_config` for an unknown step */
function readStep(document: unknown, allowed: ReadonlySet<string>, depth = 0): object | null {
  if (document === null || document === undefined) return null
  const type = isObject(document) ? document['type'] : undefined
  if (!isObject(document) || typeof type !== 'string' || depth > maxDepth) throw refusedModel('a step of its tokenizer cannot be read')
  if (type === 'Sequence') {
    const key = allowed === normalizers ? 'normalizers' : 'pretokenizers'
    const steps = document[key]
    if (!Array.isArray(steps) || steps.length > maxSteps) throw refusedModel('a step of its tokenizer is not a list of steps')
    return { type, [key]: steps.map((each) => readStep(each, allowed, depth + 1)) }
  }
  if (!allowed.has(type)) throw unknownStep(type)
  // A table of sentencepiece, which the library has by heart.
  if (type === 'Precompiled' || type === 'Nmt') return { type: 'Precompiled' }
  const options = Object.entries(document).filter(([, value]) => ['string', 'boolean'].includes(typeof value) || value === null)
  if (options.some(([, value]) => typeof value === 'string' && value.length > maxSteps))
    throw refusedModel('a step of its tokenizer has an option that is too long')
  return { ...Object.fromEntries(options), ...(type === 'Replace' && { pattern: readPattern(document['pattern']) }) }
}

function readPattern(pattern: unknown): object {
  const { String: text, Regex: expression } = isObject(pattern) ? pattern : {}
  if (typeof text === 'string' && text !== '' && text.length <= maxSteps) return { String: text }
  if (typeof expression === 'string' && knownExpressions.has(expression)) return { Regex: expression }
  throw unknownStep('Replace with a regular expression')
}

function unknownStep(name: string): OxbowError {
  return refusedModel(`its tokenizer has a step that is not supported: ${name.slice(0, 60)}`)
}
