/** Finds the item that an event is about. Services name items by place, by id, or by both. */
import { isCount } from '../answer.ts'
import { maxAnswerItems } from '../limits.ts'
import { recordOf, textOf } from '../openai/endpoint-json.ts'

/** An event of a stream, of which nothing is trusted. */
export type Event = Readonly<Record<string, unknown>>

export interface ItemCall {
  id: string
  callId: string
  name: string
  arguments: string
}

export interface Item {
  /** Place in the output, where it was said. */
  index: number | null
  call: ItemCall | null
  /** Text or reasoning of it was given out: what its end repeats is known. */
  said: boolean
  refused: boolean
  done: boolean
}

export interface ItemLookup {
  /** In order of appearance. */
  readonly items: readonly Item[]
  /** @returns the item of the event, begun when it is new, or null when there are more than any answer has. */
  itemOf(event: Event): Item | null
}

export function createItemLookup(): ItemLookup {
  const items: Item[] = []
  const byIndex = new Map<number, Item>()
  const byId = new Map<string, Item>()

  /** The place names an item; the id only where there is no place, for some services make a new id for each event. */
  const known = (index: number | null, id: string): Item | undefined => {
    if (index === null) return byId.get(id)
    const placed = byIndex.get(index)
    if (placed !== undefined) return placed
    const unplaced = byId.get(id)
    if (unplaced?.index !== null) return undefined
    unplaced.index = index
    byIndex.set(index, unplaced)
    return unplaced
  }

  return {
    items,
    itemOf: ({ output_index, item_id, item: raw }) => {
      const index = isCount(output_index) ? output_index : null
      const id = textOf(item_id) || textOf(recordOf(raw)['id'])
      const before = known(index, id)
      if (before !== undefined) return before
      if (items.length >= maxAnswerItems) return null
      const made: Item = { index, call: null, said: false, refused: false, done: false }
      items.push(made)
      if (index !== null) byIndex.set(index, made)
      byId.set(id, made)
      return made
    },
  }
}
