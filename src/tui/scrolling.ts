/**
 * Which part of the transcript is on the screen, and searching it. Heights of items are asked for only around what is shown, so that
 * scrolling costs the same in a long conversation as in a short one.
 */
import { searchPages } from './limits.ts'
import type { Anchor, Effect, Search, State, Step, Surroundings } from './state.ts'
import { countItems, itemAt } from './transcript.ts'

/** @returns the place of the item, searched from the end; -1 if it is gone */
export function indexOf(state: State, id: string): number {
  for (let at = countItems(state.transcript) - 1; at >= 0; at--) if (itemAt(state.transcript, at)?.id === id) return at
  return -1
}

/** First visible item and line. `isEnd`: the newest line is on the screen. */
export interface Top {
  readonly index: number
  readonly line: number
  readonly isEnd: boolean
}

/** @returns where the screen begins for the state's anchor, moved so that no rows stay empty at the end */
export function topOf(state: State, around: Pick<Surroundings, 'heightOf' | 'viewRows'>): Top {
  const rows = around.viewRows(state)
  const end = endTop(state, around, rows)
  if (state.scroll === null) return end
  const index = indexOf(state, state.scroll.item)
  if (index < 0) return end
  const line = Math.min(state.scroll.line, Math.max(0, around.heightOf(state, index) - 1))
  const isBehind = index > end.index || (index === end.index && line >= end.line)
  return isBehind ? end : { index, line, isEnd: false }
}

function endTop(state: State, { heightOf }: Pick<Surroundings, 'heightOf'>, rows: number): Top {
  let left = rows
  for (let index = countItems(state.transcript) - 1; index >= 0; index--) {
    const height = heightOf(state, index)
    if (height >= left) return { index, line: height - left, isEnd: true }
    left -= height
  }
  return { index: 0, line: 0, isEnd: true }
}

/** @param lines negative: towards older messages */
export function scrollBy(state: State, lines: number, around: Surroundings): Step {
  let { index, line } = topOf(state, around)
  let left = lines
  while (left < 0) {
    const step = Math.min(line, -left)
    line -= step
    left += step
    if (left === 0 || index === 0) break
    index -= 1
    line = around.heightOf(state, index)
  }
  while (left > 0) {
    const height = around.heightOf(state, index)
    const step = Math.min(height - line, left)
    line += step
    left -= step
    if (line < height || index >= countItems(state.transcript) - 1) break
    index += 1
    line = 0
  }
  return anchored(state, { index, line }, around)
}

function anchored(state: State, { index, line }: Pick<Top, 'index' | 'line'>, around: Surroundings): Step {
  const item = itemAt(state.transcript, index)
  if (item === undefined) return [{ ...state, scroll: null }, []]
  const moved: State = { ...state, scroll: { item: item.id, line } satisfies Anchor }
  const next: State = topOf(moved, around).isEnd ? { ...state, scroll: null } : moved
  return loadAtTop(next, index)
}

/** Asks for older messages when the oldest shown come into view. */
function loadAtTop(state: State, index: number): Step {
  if (state.older === null || state.isLoading || index > 5) return [state, []]
  return [{ ...state, isLoading: true }, [{ type: 'load_older', before: state.older }]]
}

export function scrollToStart(state: State, around: Surroundings): Step {
  return anchored(state, { index: 0, line: 0 }, around)
}

// Search.

export function openSearch(state: State, around: Surroundings, query = ''): State {
  return { ...searchFor({ ...state, completion: null }, query, around), selected: null }
}

/** Finds all items with the text; the newest is chosen. */
export function searchFor(state: State, query: string, around: Surroundings): State {
  const found = query === '' ? [] : itemsWith(state, query, around)
  return { ...state, search: { query, found, at: found.length - 1, pages: state.search?.pages ?? searchPages } }
}

function itemsWith({ transcript }: State, query: string, { textOf }: Surroundings): readonly string[] {
  const wanted = query.toLowerCase()
  const found: string[] = []
  for (let at = 0; at < countItems(transcript); at++) {
    const item = itemAt(transcript, at)!
    if (textOf(item).includes(wanted)) found.push(item.id)
  }
  return found
}

/** @param by -1 for the match before, 1 for the one after, 0 shows the chosen one */
export function showMatch(state: State, by: -1 | 0 | 1, around: Surroundings): Step {
  const { search } = state
  if (search === null) return [state, []]
  const at = search.at + by
  if (at < 0) return searchOlder(state, search)
  const id = search.found[at]
  if (id === undefined) return [state, []]
  const index = indexOf(state, id)
  const line = around.lineOf(state, index, search.query)
  const opened = line === 0 ? state : { ...state, scroll: null }
  const rows = around.viewRows(state)
  const [moved, effects] = scrollBy({ ...opened, scroll: { item: id, line } }, -Math.floor(rows / 3), around)
  return [{ ...moved, search: { ...search, at } }, effects]
}

function searchOlder(state: State, search: Search): Step {
  if (state.older === null || state.isLoading || search.pages === 0 || search.query === '') return [state, []]
  const load: Effect = { type: 'load_older', before: state.older }
  return [{ ...state, isLoading: true, search: { ...search, pages: search.pages - 1 } }, [load]]
}
