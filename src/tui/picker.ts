/** Dialogs in which a person chooses from a list, and one that shows what would happen before it does. */
import type { UndoQuestion } from '../terminal/index.ts'
import { type Editor, editKey, emptyEditor, insert } from './editor.ts'

export interface PickerRow {
  readonly id: string
  readonly label: string
  readonly detail: string
}

/** A list from which the person chooses one row. */
export interface Picker {
  readonly kind: 'picker'
  readonly purpose: 'sessions' | 'models' | 'definitions' | 'turns' | 'approvals' | 'agents'
  readonly title: string
  readonly rows: readonly PickerRow[]
  /** What was typed to narrow the list down. */
  readonly filter: Editor
  readonly selected: number
}

/** What an undo would change. */
export interface Preview {
  readonly kind: 'preview'
  readonly title: string
  readonly lines: readonly string[]
  /** What can be answered; each is bound to what is shown. */
  readonly question: UndoQuestion
  readonly scroll: number
}

/** A list without a filter. @param current id of the row that is selected first; the first row without a match */
export function newPicker(purpose: Picker['purpose'], title: string, rows: readonly PickerRow[], current = ''): Picker {
  const selected = Math.max(
    0,
    rows.findIndex(({ id }) => id === current),
  )
  return { kind: 'picker', purpose, title, rows, filter: emptyEditor, selected }
}

/** @returns the picker with other rows, at the same one */
export function withRows(picker: Picker, rows: readonly PickerRow[]): Picker {
  const chosen = chosenRow(picker)?.id
  const next = { ...picker, rows }
  const selected = shownRows(next).findIndex(({ id }) => id === chosen)
  return { ...next, selected: Math.max(0, selected) }
}

/** @returns the rows that contain every typed word */
export function shownRows({ rows, filter }: Picker): readonly PickerRow[] {
  const words = filter.text.toLowerCase().split(/\s+/).filter(Boolean)
  if (words.length === 0) return rows
  return rows.filter(({ label, detail, id }) => {
    const text = `${label} ${detail} ${id}`.toLowerCase()
    return words.every((word) => text.includes(word))
  })
}

export function chosenRow(picker: Picker): PickerRow | undefined {
  return shownRows(picker)[picker.selected]
}

const pickerPage = 10

/** @returns null for a key that does nothing here */
export function pickerKey(picker: Picker, key: string, width: number): Picker | null {
  const count = shownRows(picker).length
  const to = (place: number): Picker => ({ ...picker, selected: Math.max(0, Math.min(count - 1, place)) })
  switch (key) {
    case 'up':
    case 'ctrl+p':
      return to(picker.selected === 0 ? count - 1 : picker.selected - 1)
    case 'down':
    case 'ctrl+n':
    case 'tab':
      return to(picker.selected >= count - 1 ? 0 : picker.selected + 1)
    case 'pageUp':
      return to(picker.selected - pickerPage)
    case 'pageDown':
      return to(picker.selected + pickerPage)
    case 'home':
      return to(0)
    case 'end':
      return to(count - 1)
    default: {
      const filter = editKey(picker.filter, key, width)
      return filter === null ? null : { ...picker, filter, selected: 0 }
    }
  }
}

export function pickerText(picker: Picker, text: string): Picker {
  return { ...picker, filter: insert(picker.filter, text.replace(/\s+/g, ' ')), selected: 0 }
}
