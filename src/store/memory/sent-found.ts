/**
 * What a search found, as it travels between threads: texts in JSON, which cost next to nothing to send. Neighbours are read only
 * where somebody looks at them: most of those that are sent are not.
 */
import type { Apart, FoundPassage, Hit, MemoryFound } from '../memory.ts'

export interface SentFound {
  /** Hits of both lists and their passages. */
  readonly found: string
  /** Passages beside a passage. */
  readonly beside?: ReadonlyMap<number, string>
}

interface FoundIds {
  readonly text: readonly Hit[]
  readonly vector: readonly Hit[]
  readonly ids: Iterable<number>
  readonly beside: ReadonlyMap<number, readonly number[]> | undefined
  readonly apart: readonly Apart[] | undefined
}

/** @param texts passages by their ids; one that is not there is left out */
export function sentFound({ text, vector, ids, beside, apart }: FoundIds, texts: ReadonlyMap<number, string>): SentFound {
  const list = (wanted: Iterable<number>): string => `[${[...wanted].flatMap((id) => texts.get(id) ?? []).join()}]`
  const pairs = apart === undefined ? '' : `,"apart":${JSON.stringify(apart)}`
  const found = `{"text":${JSON.stringify(text)},"vector":${JSON.stringify(vector)},"passages":${list(ids)}${pairs}}`
  return beside === undefined ? { found } : { found, beside: new Map([...beside].map(([id, around]) => [id, list(around)])) }
}

export function readFound({ found, beside }: SentFound): MemoryFound {
  const read = JSON.parse(found) as Omit<MemoryFound, 'beside'>
  if (beside === undefined) return read
  return { ...read, beside: new Map([...beside].map(([id, text]) => [id, () => JSON.parse(text) as readonly FoundPassage[]])) }
}
