/** Tool calls of a chat completion, put together from the pieces in which they stream. */
import type { JsonObject, Sealed, ToolCallPart } from '../../types/index.ts'
import { boundedObject } from '../openai/endpoint-json.ts'

interface Slot {
  id: string
  name: string
  pieces: string
  /** What the service adds to a call and demands back, as Google's compatible endpoint does with its signatures. */
  extra: JsonObject | null
}

/**
 * Puts tool calls together from deltas. Services differ: some number their calls, some leave the index out, some send no id,
 * some repeat the id with every piece, some send one id twice for two calls. Ids are kept as they came.
 */
export interface ToolCallAssembly {
  /** @returns characters that came, or null when the delta cannot be read or there are too many calls. */
  add(delta: unknown): number | null
  /** Something of a call came, even if it cannot be used. */
  began(): boolean
  /** Calls in the order in which they began; those without a name are left out. */
  calls(): ToolCallPart[]
}

export function createToolCallAssembly(maxCalls: number, seal: (data: JsonObject) => Sealed): ToolCallAssembly {
  const byIndex = new Map<number, Slot>()
  const slots: Slot[] = []

  const open = (): Slot | null => {
    if (slots.length >= maxCalls) return null
    const slot: Slot = { id: '', name: '', pieces: '', extra: null }
    slots.push(slot)
    return slot
  }
  const slotFor = (index: unknown, id: string, name: string): Slot | null => {
    if (typeof index === 'number') {
      const known = byIndex.get(index)
      // One index with a new id and a new name is another call: some services number every call 0.
      if (known !== undefined && (id === '' || id === known.id || name === '')) return known
      const made = open()
      if (made !== null) byIndex.set(index, made)
      return made
    }
    const last = slots.at(-1)
    if (last !== undefined && (name === '' || (id !== '' && id === last.id && last.pieces === ''))) return last
    return open()
  }

  return {
    add: (delta) => {
      if (typeof delta !== 'object' || delta === null) return null
      const { index, id, function: called, extra_content: extra } = delta as Record<string, unknown>
      const { name, arguments: piece } = (typeof called === 'object' && called !== null ? called : {}) as Record<string, unknown>
      const idText = typeof id === 'string' ? id : ''
      const nameText = typeof name === 'string' ? name : ''
      const slot = slotFor(index, idText, nameText)
      if (slot === null) return null
      if (slot.id === '') slot.id = idText
      if (slot.name === '') slot.name = nameText
      // Some services give the arguments as an object instead of its text.
      const text = typeof piece === 'string' ? piece : piece === undefined || piece === null ? '' : JSON.stringify(piece)
      slot.pieces += text
      if (typeof extra === 'object' && extra !== null) slot.extra = boundedObject(extra)
      return text.length + nameText.length
    },
    calls: () =>
      slots
        .filter((slot) => slot.name !== '')
        .map((slot, place) => ({
          type: 'tool_call',
          id: slot.id === '' ? `call_${place}` : slot.id,
          name: slot.name,
          arguments: slot.pieces === '' ? '{}' : slot.pieces,
          ...(slot.extra !== null && { sealed: seal({ extra_content: slot.extra }) }),
        })),
    began: () => slots.some((slot) => slot.name !== '' || slot.pieces !== ''),
  }
}
