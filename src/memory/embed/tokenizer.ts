/**
 * Reads a `tokenizer.json` of the Hugging Face library, as far as models of words have it: WordPiece, Unigram and byte-level BPE,
 * the usual normalizers and pre-tokenizers. What it does not know is refused by name, because leaving a step out would give other
 * tokens, and vectors that look right. Regular expressions of a file are never run.
 */
import { z } from 'zod'
import { refusedModel } from './model-files.ts'
import { bytePairTokens, unigramTokens, wordPieceTokens, type WordTokens } from './word-tokens.ts'

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

/** The steps before the tokens: how a text is spelled, and where its words are. */

/** The expressions of known models; none of a file is run. */
const knownExpressions: ReadonlyMap<string, RegExp> = new Map([
  [' {2,}', / {2,}/g],
  ['\\s+', /\s+/g],
])
const readRegex = z.object({ Regex: z.string() })

type Normalize = (text: string) => string
type Split = (text: string) => readonly string[]

const step = z.looseObject({ type: z.string() })
/** Steps in a list: models that model2vec distils have one for each of 32 signs, and some. */
const maxSteps = 64
/** Steps in steps, at most so deep. */
const maxDepth = 4

/** @throws OxbowError `bad_config` for a step that is not known */
function readNormalizer(document: unknown, depth = 0): Normalize {
  const read = readStep(document, depth)
  if (read === null) return (text) => text
  switch (read.type) {
    case 'Sequence': {
      const steps = listOf(read['normalizers']).map((each) => readNormalizer(each, depth + 1))
      return (text) => steps.reduce((so, each) => each(so), text)
    }
    case 'BertNormalizer':
      return bertNormalizer(read)
    case 'Lowercase':
      return (text) => text.toLowerCase()
    case 'NFC':
    case 'NFD':
    case 'NFKC':
    case 'NFKD': {
      const form = read.type
      return (text) => text.normalize(form)
    }
    // A table of sentencepiece: NFKC and some of white space.
    case 'Precompiled':
    case 'Nmt':
      return (text) => text.normalize('NFKC').replace(/\s/gu, ' ')
    case 'StripAccents':
      return (text) => text.normalize('NFD').replace(/\p{Mn}/gu, '')
    case 'Strip': {
      const [left, right] = [read['strip_left'] !== false, read['strip_right'] !== false]
      return (text) => (left ? (right ? text.trim() : text.trimStart()) : right ? text.trimEnd() : text)
    }
    case 'Prepend':
      return (text) => (text === '' ? '' : `${textOf(read['prepend'])}${text}`)
    case 'Replace': {
      const pattern = z.object({ String: z.string().min(1) }).safeParse(read['pattern'])
      const expression = knownExpressions.get(readRegex.safeParse(read['pattern']).data?.Regex ?? '')
      if (!pattern.success && expression === undefined) throw unknownStep('Replace with a regular expression')
      const content = textOf(read['content'])
      return (text) =>
        pattern.success ? text.replaceAll(pattern.data.String, () => content) : text.replace(expression ?? '', () => content)
    }
    default:
      throw unknownStep(read.type)
  }
}

/** @throws OxbowError `bad_config` for a step that is not known */
function readPreTokenizer(document: unknown, depth = 0): Split {
  const read = readStep(document, depth)
  if (read === null) return (text) => (text === '' ? [] : [text])
  switch (read.type) {
    case 'Sequence': {
      const steps = listOf(read['pretokenizers']).map((each) => readPreTokenizer(each, depth + 1))
      return (text) => steps.reduce<readonly string[]>((words, each) => words.flatMap(each), [text])
    }
    case 'BertPreTokenizer':
      return (text) => text.match(/[\p{P}$+<=>^`|~]|[^\s\p{P}$+<=>^`|~]+/gu) ?? []
    case 'Whitespace':
      return (text) => text.match(/[\p{L}\p{M}\p{N}_]+|[^\p{L}\p{M}\p{N}_\s]+/gu) ?? []
    case 'WhitespaceSplit':
      return (text) => text.match(/\S+/gu) ?? []
    case 'Punctuation':
      return (text) => text.match(/\p{P}|[^\p{P}]+/gu) ?? []
    case 'Digits':
      return (text) => text.match(read['individual_digits'] === true ? /\p{N}|\P{N}+/gu : /\p{N}+|\P{N}+/gu) ?? []
    case 'Metaspace':
      return metaspace(read)
    case 'ByteLevel':
      return byteLevel(read)
    default:
      throw unknownStep(read.type)
  }
}

const ideograph = /[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u{20000}-\u{2ceaf}\u{2f800}-\u{2fa1f}]/gu

function bertNormalizer(read: Readonly<Record<string, unknown>>): Normalize {
  const lower = read['lowercase'] !== false
  const strips = typeof read['strip_accents'] === 'boolean' ? read['strip_accents'] : lower
  return (text) => {
    let out = text
    if (read['clean_text'] !== false)
      out = out
        .replace(/[\t\n\r]/g, ' ')
        .replace(/[\p{Cc}\p{Cf}\p{Co}\ufffd]/gu, '')
        .replace(/\s/gu, ' ')
    if (read['handle_chinese_chars'] !== false) out = out.replace(ideograph, ' $& ')
    if (strips) out = out.normalize('NFD').replace(/\p{Mn}/gu, '')
    return lower ? out.toLowerCase() : out
  }
}

function metaspace(read: Readonly<Record<string, unknown>>): Split {
  const mark = textOf(read['replacement'] ?? '▁')
  const scheme = read['prepend_scheme'] ?? (read['add_prefix_space'] === false ? 'never' : 'always')
  return (text) => {
    const marked = text.replaceAll(' ', () => mark)
    const whole = scheme === 'never' || marked.startsWith(mark) || marked === '' ? marked : `${mark}${marked}`
    if (read['split'] === false || mark === '') return whole === '' ? [] : [whole]
    const words = whole.split(mark)
    return words.map((word, place) => (place === 0 ? word : `${mark}${word}`)).filter((word) => word !== '')
  }
}

/** As GPT-2 parts words; written here, not taken from the file. */
const gptWords = /'(?:s|t|re|ve|m|ll|d)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu

function byteLevel(read: Readonly<Record<string, unknown>>): Split {
  const byteOf = byteLetters()
  return (text) => {
    if (text === '') return []
    const spaced = read['add_prefix_space'] === true && !text.startsWith(' ') ? ` ${text}` : text
    const words = read['use_regex'] === false ? [spaced] : (spaced.match(gptWords) ?? [])
    return words.map((word) => Array.from(new TextEncoder().encode(word), (byte) => byteOf[byte] ?? '').join(''))
  }
}

/** A letter that can be seen for each byte, as GPT-2 writes them. */
function byteLetters(): readonly string[] {
  let next = 256
  const isSeen = (byte: number): boolean => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(isSeen(byte) ? byte : next++))
}

function readStep(document: unknown, depth: number): (Readonly<Record<string, unknown>> & { readonly type: string }) | null {
  if (document === null || document === undefined) return null
  const read = step.safeParse(document)
  if (!read.success || depth > maxDepth) throw refusedModel('a step of its tokenizer cannot be read')
  return read.data
}

function listOf(value: unknown): readonly unknown[] {
  if (!Array.isArray(value) || value.length > maxSteps) throw refusedModel('a step of its tokenizer is no list of steps')
  return value
}

function textOf(value: unknown): string {
  if (typeof value !== 'string' || value.length > maxSteps) throw refusedModel('a step of its tokenizer has no text where one belongs')
  return value
}

function unknownStep(name: string): Error {
  return refusedModel(`its tokenizer has a step that is not known here: ${name.slice(0, 60)}`)
}
