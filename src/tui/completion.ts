/** Completion of slash commands and of files after an `@`: what is completed, the choices, and what choosing one does to the text. */
import { matchCommands, type SlashCommand } from '../terminal/index.ts'
import { type Editor, replaceBefore } from './editor.ts'

/** A file or folder that completes an `@`. */
export interface FoundFile {
  readonly path: string
  readonly isFolder: boolean
  /** True for a file of the person, which is attached; false for one of the workspace, which is named. */
  readonly isOwn: boolean
}

interface Choice {
  readonly label: string
  readonly detail: string
  /** Replaces what was typed; null attaches the file instead. */
  readonly insert: string
  readonly attach: string | null
  /** True when the completion goes on after it: a folder. */
  readonly goesOn: boolean
}

/** What can complete the word before the cursor. */
export interface Completion {
  readonly kind: 'command' | 'file'
  /** Offset in the text where the completed word begins. */
  readonly from: number
  readonly query: string
  /** Null until the answer has come. */
  readonly choices: readonly Choice[] | null
  readonly selected: number
}

/**
 * @param own commands of the person
 * @returns what the cursor stands behind, with the choices of before while new ones are looked for; null for neither
 */
export function completionAt(editor: Editor, earlier: Completion | null, own: readonly SlashCommand[]): Completion | null {
  const before = editor.text.slice(0, editor.at)
  const command = /^\/([\w:-]*)$/.exec(before)
  if (command !== null) {
    const query = command[1] ?? ''
    const choices = matchCommands(query, own).map(({ name, argument, help }): Choice => ({
      label: `/${name}${argument === '' ? '' : ` ${argument}`}`,
      detail: help,
      insert: `/${name} `,
      attach: null,
      goesOn: false,
    }))
    return choices.length === 0 ? null : { kind: 'command', from: 0, query, choices, selected: 0 }
  }
  const file = /(?:^|\s)@([^\s@]*)$/.exec(before)
  if (file === null) return null
  const query = file[1] ?? ''
  const from = editor.at - query.length - 1
  const kept = earlier?.kind === 'file' && earlier.from === from ? earlier : null
  return { kind: 'file', from, query, choices: kept?.choices ?? null, selected: kept?.query === query ? kept.selected : 0 }
}

/** @returns the completion with the files that were found for its query; unchanged when it asks for another by now */
export function withFiles(completion: Completion | null, query: string, files: readonly FoundFile[]): Completion | null {
  if (completion?.kind !== 'file' || completion.query !== query) return completion
  const choices = files.map(({ path, isFolder, isOwn }): Choice => ({
    label: isFolder ? `${path}/` : path,
    detail: isFolder ? '' : isOwn ? 'attach' : 'workspace',
    insert: isFolder ? `@${path}/` : isOwn ? '' : `${path} `,
    attach: isOwn && !isFolder ? path : null,
    goesOn: isFolder,
  }))
  return { ...completion, choices, selected: Math.min(completion.selected, Math.max(0, choices.length - 1)) }
}

export function moveChoice(completion: Completion, by: number): Completion {
  const count = completion.choices?.length ?? 0
  return count === 0 ? completion : { ...completion, selected: (completion.selected + by + count) % count }
}

/** @returns the text with the selected choice, and the file to attach; null when there is nothing to choose */
export function choose(
  editor: Editor,
  completion: Completion,
): { readonly editor: Editor; readonly attach: string | null; readonly goesOn: boolean } | null {
  const choice = completion.choices?.[completion.selected]
  if (choice === undefined) return null
  return { editor: replaceBefore(editor, completion.from, choice.insert), attach: choice.attach, goesOn: choice.goesOn }
}

/** @returns whether Enter runs the typed command as it is, rather than completing it */
export function isWhole(editor: Editor, completion: Completion): boolean {
  if (completion.kind === 'file') return false
  const [chosen] = completion.choices ?? []
  return completion.selected === 0 && chosen?.insert === `/${completion.query} ` && editor.at === editor.text.length
}
