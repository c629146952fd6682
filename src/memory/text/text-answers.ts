/** Answers questions about texts, wherever it runs. The embedder is loaded when it is first asked for. */
import { createHash } from 'node:crypto'
import { OxbowError } from '../../base/index.ts'
import { embeddedAtOnce, embeddedWhenCut, maxEmbeddedUnits, weakWeights } from '../embed/embed-limits.ts'
import { cutText } from './cut.ts'
import { readQuestion } from './read-question.ts'
import { storedTermsOf } from './classes.ts'
import { termsOf } from './terms.ts'
import { cutAtOnce } from './text-limits.ts'
import { builtInEmbedder, type CutText, type Embedder, readEmbedderName, type TextQuestions, toUnit } from './text-engine.ts'

export type TextAnswers = {
  readonly [Name in keyof TextQuestions]: (ask: TextQuestions[Name]['ask']) => Promise<TextQuestions[Name]['answer']>
}

/** @param configured name of `memory.embedder` @param isBusy whether others wait, so that vectors of what is cut are left for later */
export function createTextAnswers(configured: string, isBusy = (): boolean => false): TextAnswers {
  const opened = new Map<string, Promise<Embedder | null>>()
  const open = (name = configured): Promise<Embedder | null> => {
    const held = opened.get(name)
    if (held !== undefined) return held
    const opening = openLocalEmbedder(name)
    opened.set(name, opening)
    // What failed may be mended: it is tried again when it is asked for again.
    opening.catch(() => opened.delete(name))
    return opening
  }
  return {
    async cut({ texts }) {
      const cut: CutText[] = []
      for (const { text, format, before } of texts) {
        // A question that came meanwhile goes first.
        if (cut.length > 0 && cut.length % cutAtOnce === 0) await new Promise(setImmediate)
        cut.push({ passages: cutText(text, format), before: before === '' ? '' : termsOf(before).join(' ') })
      }
      const count = cut.reduce((sum, { passages }) => sum + passages.length, 0)
      // Without its table texts are still found by their words, and whoever asks for vectors is told why.
      const embedder = count > embeddedWhenCut || !isQuick(configured) || isBusy() ? null : await open().catch(() => null)
      if (embedder === null) return cut
      const vectors = await embedder.embed(cut.flatMap(({ passages }) => passages.map(({ text }) => text)))
      let at = 0
      return cut.map((each) => ({ ...each, vectors: { model: embedder.id, vectors: vectors.slice(at, (at += each.passages.length)) } }))
    },
    terms: async ({ text }) => termsOf(text).join(' '),
    storedTerms: async ({ text }) => storedTermsOf(text),
    read: async ({ question }) => readQuestion(question),
    async embedder({ embedder: name }) {
      const embedder = await open(name)
      if (embedder === null) return null
      const { id, dims, weights } = embedder
      return { id, dims, weights }
    },
    async embed({ texts, embedder: name, purpose }) {
      const embedder = await open(name)
      if (embedder === null) {
        throw new OxbowError('bad_config', 'There is no embedder.', { hint: 'Set memory.embedder, e.g. to words-50k.' })
      }
      const vectors: Float32Array<ArrayBuffer>[] = []
      for (let at = 0; at < texts.length; at += embeddedAtOnce) {
        // A question that came meanwhile goes first.
        if (at > 0) await new Promise(setImmediate)
        vectors.push(...(await embedder.embed(texts.slice(at, at + embeddedAtOnce), purpose)))
      }
      return vectors
    },
    async closeness({ passages, embedder: name, ...asked }) {
      const own = await open(name)
      // What knows whole texts only leaves single words to the table.
      const words = own === null || own.closeness !== undefined ? own : await open(builtInEmbedder)
      return (await words?.closeness?.(asked, passages)) ?? null
    },
  }
}

/**
 * Each embedder loads its own code, and its tables, when it is chosen.
 * @param name of `memory.embedder` @returns null for `none` @throws OxbowError `bad_config` that says what is wrong with it
 */
async function openLocalEmbedder(name: string): Promise<Embedder | null> {
  const read = readEmbedderName(name)
  switch (read.kind) {
    case 'none':
      return null
    case 'hash':
      return openHashEmbedder()
    case 'words':
      return (await import('../embed/word-embedder.ts')).openBuiltInWords()
    case 'folder':
      return (await import('../embed/folder-embedder.ts')).openFolderEmbedder(read.path)
    case 'onnx':
      return (await import('../embed/onnx-embedder.ts')).openOnnxEmbedder(read.path)
    case 'service':
      break
  }
  throw new OxbowError('bad_config', `The embedder ${name} is a service, which is asked over the network.`, {
    hint: 'Start a guest with it, or set memory.embedder to words-50k.',
  })
}

/** Whether its vectors take some ten microseconds each. */
function isQuick(name: string): boolean {
  return name === builtInEmbedder || name === 'hash'
}

const hashDims = 64

/**
 * For tests: the same text has the same vector everywhere, and texts that share words are near each other. Each distinct term adds
 * the 64 hexadecimal digits of its SHA-256, -7.5 to 7.5.
 */
function openHashEmbedder(): Embedder {
  const embedOne = (text: string): Float32Array<ArrayBuffer> => {
    const vector = new Float32Array(hashDims)
    for (const term of new Set(termsOf(text.slice(0, maxEmbeddedUnits)))) {
      const digits = createHash('sha256').update(term).digest('hex')
      for (let place = 0; place < hashDims; place += 1)
        vector[place] = (vector[place] ?? 0) + Number.parseInt(digits[place] ?? '0', 16) - 7.5
    }
    return toUnit(vector)
  }
  // Of words it knows nothing, and nobody else is asked for them.
  return {
    id: 'hash-64-v2',
    dims: hashDims,
    weights: weakWeights,
    embed: async (texts) => texts.map(embedOne),
    closeness: async () => null,
  }
}
