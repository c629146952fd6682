/** The steps before the tokens: how a text is spelled, and where its words are. */
import { z } from 'zod'
import { refusedModel } from './refused-model.ts'

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
export function readNormalizer(document: unknown, depth = 0): Normalize {
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
export function readPreTokenizer(document: unknown, depth = 0): Split {
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
