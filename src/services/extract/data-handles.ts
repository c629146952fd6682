/**
 * Texts that an agent passes on without having read them. A reading gives a handle for each, `[data:…]`; in the input of a call the gate puts the
 * text in its place, and the call has the labels of the text, too.
 */
import { type CallId, holdsHandle, isObject, ownValue } from '../../base/index.ts'
import { type Caller, joinLabels, joinOrigins, type Label, type LabelOrigin, type Labels } from '../../protocol/index.ts'
import type { DocumentChange, Documents } from '../../kernel/index.ts'

/** Texts behind handles; the oldest are dropped. */
const maxKeptTexts: number = 500

export interface KeptText {
  readonly text: string
  readonly labels: readonly Label[]
  readonly origins: readonly LabelOrigin[]
  readonly at: number
}

export interface DataHandles {
  /** @returns the changes that keep the texts under the handles of this call, and drop the oldest beyond those that are kept */
  keeping(call: CallId, texts: readonly KeptText[]): Promise<readonly DocumentChange[]>
  /**
   * @param input as an object, or as the JSON text that a model wrote
   * @returns the input with the texts in it, and the caller with their labels. A handle that is not known stays as it is
   */
  fill(caller: Caller, input: unknown): Promise<{ readonly caller: Caller; readonly input: unknown }>
}

const category = 'system/readings'
const handlePattern = /\[data:([0-9a-z.-]{36,60}:\d{1,3})\]/g

/** @returns the handle of the text with this number of a call */
export const handleOf = (call: CallId, index: number): string => `[data:${call}:${index}]`

export function createDataHandles(documents: Pick<Documents, 'get' | 'all'>): DataHandles {
  return {
    async keeping(call, texts) {
      const kept = await documents.all<KeptText>(category)
      const surplus = kept.toSorted((a, b) => a.value.at - b.value.at).slice(0, Math.max(0, kept.length + texts.length - maxKeptTexts))
      const made = texts.map((value, i) => ({ category, name: `${call}:${i}`, value }))
      return [...made, ...surplus.map(({ name }) => ({ category, name, value: null }))]
    },
    async fill(caller, raw) {
      const input = typeof raw === 'string' ? parsedOf(raw) : raw
      return isObject(input) ? fill(documents, caller, input) : { caller, input: raw }
    },
  }
}

function parsedOf(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const parsed: unknown = JSON.parse(text)
    return isObject(parsed) ? parsed : null
  } catch {
    // The next stage says what is wrong with it.
    return null
  }
}

async function fill(
  documents: Pick<Documents, 'get'>,
  caller: Caller,
  input: Readonly<Record<string, unknown>>,
): Promise<{ readonly caller: Caller; readonly input: unknown }> {
  const texts = new Map<string, KeptText>()
  for (const [, name = ''] of JSON.stringify(input).matchAll(handlePattern)) {
    const kept = texts.has(name) ? null : await documents.get<KeptText>(category, name)
    if (kept !== null) texts.set(name, kept.value)
  }
  // What a text holds is not looked at again: a handle in it stays one.
  const put = (value: unknown): unknown => {
    if (typeof value === 'string') return value.replace(handlePattern, (whole, name: string) => texts.get(name)?.text ?? whole)
    if (Array.isArray(value)) return value.map(put)
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, put(each)]))
  }
  if (texts.size === 0) return { caller, input }
  const found = [...texts.values()]
  const labels = found.reduce<Labels>((all, one) => joinLabels(all, one.labels), caller.scope?.labels ?? [])
  const origins = found.reduce((all, one) => joinOrigins(all, one.origins), caller.scope?.origins ?? [])
  // Whoever reads apart sees the labels in its scope afterwards.
  if (caller.scope !== undefined)
    return { caller: { ...caller, scope: Object.assign(caller.scope, { labels, origins }) }, input: put(input) }
  const fields = Object.keys(input).filter((key) => holdsHandle(ownValue(input, key)))
  return { caller: { ...caller, scope: { kind: 'carried', labels, origins, fields } }, input: put(input) }
}
