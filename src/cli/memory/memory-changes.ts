/** `oxbow memory add`, `edit`, `pin` and `forget`. */
import { type Json, OxbowError } from '../../types/index.ts'
import type { Terminal } from '../terminal.ts'
import { plainText } from '../view/terminal-text.ts'
import { askAndPrint, type MemoryChoice } from './memory-ask.ts'
import { forgetText, type ShownForget } from './memory-text.ts'

export interface AddOptions extends MemoryChoice {
  readonly tag?: readonly string[] | undefined
}

export async function memoryAdd(text: readonly string[], options: AddOptions, terminal: Terminal): Promise<number> {
  return askAndPrint({ name: 'memory.save', input: { content: text.join(' '), tags: options.tag ?? [] } }, options, terminal)
}

export interface EditOptions extends AddOptions {
  readonly supersede?: boolean | undefined
  readonly from?: string | undefined
  readonly to?: string | undefined
  readonly confirm?: string | true | undefined
  readonly contradicts?: string | undefined
  readonly trust?: boolean | undefined
}

/** @throws OxbowError `bad_input` unless exactly one thing is asked for */
export async function memoryEdit(id: string, text: readonly string[], options: EditOptions, terminal: Terminal): Promise<number> {
  const calls = editCalls(id, text.join(' '), options)
  const [call] = calls
  if (call !== undefined && calls.length === 1) return askAndPrint(call, options, terminal)
  throw new OxbowError('bad_input', calls.length === 0 ? 'Nothing is to be changed.' : 'Only one change at a time.', {
    hint: 'Give a new text, or one of --confirm, --contradicts, --trust, --from and --to.',
  })
}

function editCalls(id: string, content: string, options: EditOptions): { readonly name: string; readonly input: Json }[] {
  const { supersede, from, to, confirm, contradicts, trust, tag } = options
  const given = { note_id: id, content, ...(tag !== undefined && { tags: tag }) }
  const since = from === undefined ? {} : { from }
  const calls: { name: string; input: Json }[] = []
  if (content !== '')
    calls.push(supersede === true ? { name: 'memory.supersede', input: { ...given, ...since } } : { name: 'memory.update', input: given })
  if (confirm !== undefined) calls.push({ name: 'memory.confirm', input: { note_id: id, ...(confirm !== true && { by: confirm }) } })
  if (contradicts !== undefined) calls.push({ name: 'memory.contradict', input: { note_id: id, other: contradicts } })
  if (trust === true) calls.push({ name: 'memory.promote', input: { note_id: id } })
  const isTime = to !== undefined || (from !== undefined && supersede !== true)
  if (isTime) calls.push({ name: 'memory.valid', input: { note_id: id, ...since, ...(to !== undefined && { to }) } })
  return calls
}

export interface PinOptions extends MemoryChoice {
  readonly undo?: boolean | undefined
}

export async function memoryPin(id: string, options: PinOptions, terminal: Terminal): Promise<number> {
  return askAndPrint({ name: 'memory.pin', input: { note_id: id, pinned: options.undo !== true } }, options, terminal)
}

export interface ForgetOptions extends MemoryChoice {
  readonly text?: string | undefined
  readonly yes?: boolean | undefined
}

/** Without `--yes` it only lists what would go. */
export async function memoryForget(ids: readonly string[], options: ForgetOptions, terminal: Terminal): Promise<number> {
  const isDry = options.yes !== true
  const input = { ids, text: options.text ?? '', dry_run: isDry }
  const show = (found: ShownForget, text: string): string => (isDry ? forgetText(found) : plainText(text))
  return askAndPrint({ name: 'memory.forget', input }, options, terminal, show)
}
