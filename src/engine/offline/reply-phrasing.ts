/** All replies of the offline interpreter. */
import { headOf, ownValue, truncate, plural } from '../../base/index.ts'
import { shownResultChars, storyActs } from '../limits.ts'
import type { Command, ToolCommand } from './command.ts'
import type { Exchange } from './conversation.ts'

const introduction =
  'I am Oxbow’s offline interpreter: fixed rules that turn plain requests into tool calls, not a language model. Say "help" for what I understand.'

const forms: readonly (readonly [tool: string, form: string])[] = [
  ['file_list', 'list the files in notes'],
  ['file_read', 'read notes.txt lines 1-20'],
  ['file_search', 'find "budget" in notes'],
  ['file_write', 'write "some text" to notes.txt'],
  ['file_edit', 'append "one more line" to notes.txt'],
  ['file_edit', 'replace "old" with "new" in notes.txt'],
  ['file_delete', 'delete old.txt'],
  ['version_restore', 'undo'],
  ['version_restore', 'restore notes.txt'],
  ['shell_exec', 'run ls -l'],
  ['file_read', 'summarise the files'],
  ['file_edit', 'add milk to my to-do list'],
  ['memory_save', 'remember that I use metric units'],
  ['memory_search', 'what do you remember about my car'],
  ['web_fetch', 'fetch https://example.org'],
  ['time_now', 'what time is it'],
]

function formsFor(tools: ReadonlySet<string>): string {
  const lines = forms.filter(([tool]) => isAvailable(tool, tools)).map(([, form]) => `- ${form}`)
  return [...lines, '- 2 + 2', '- what did you do', '- help'].join('\n')
}

/** With a search, a tool may be there without being offered yet. */
function isAvailable(tool: string, tools: ReadonlySet<string>): boolean {
  return tools.has(tool) || (tool.startsWith('version_') && tools.has('tool_search'))
}

export function sayHelp(tools: ReadonlySet<string>): string {
  const missing = [...new Set(forms.map(([tool]) => tool))].filter((tool) => !isAvailable(tool, tools))
  const off = missing.length === 0 ? '' : `\n\nNot available here: ${missing.join(', ')}.`
  return `${introduction}\n\nYou can say, among others:\n${formsFor(tools)}\n\nSeveral requests can be joined with "then".${off}\n\nFor a real model: \`oxbow init\`.`
}

export function sayUnknown(): string {
  return 'I did not understand that: without a language model I only follow fixed rules. Say "help" for them, or set up a model: `oxbow init`.'
}

export function sayReminder(): string {
  return 'I cannot set reminders in a conversation: `oxbow schedule add` does. Or say "add … to my to-do list" to write it down.'
}

export function saySum({ expression, value }: Extract<Command, { kind: 'sum' }>): string {
  return Number.isFinite(value) ? `${expression} = ${Number(value.toPrecision(12))}` : `${expression} has no value that I can give.`
}

export function sayMissing(missing: string, example: string): string {
  return `I could not tell ${missing}. For example: ${example}`
}

export function sayHello(): string {
  return 'Hello. Tell me what to do with your files, or say "help".'
}

export function sayThanks(): string {
  return 'You are welcome.'
}

export function sayFailed(what: string, exchange: Exchange): string {
  const { result } = exchange
  return result === null ? `I could not ${what}: no result came back.` : `I could not ${what}.\n${forPerson(result.text)}`
}

type Phrased = ToolCommand | Extract<Command, { kind: 'append' | 'todo' }>

const verbs: Readonly<Record<Phrased['kind'], string>> = {
  list: 'list',
  read: 'read',
  search: 'search',
  write: 'write',
  append: 'append to',
  edit: 'edit',
  delete: 'delete',
  run: 'run the command',
  todo: 'write',
  remember: 'remember it',
  recall: 'search memory',
  fetch: 'read the page',
  web_search: 'search the web',
  time: 'tell the time',
}

/** Phrases the result of the call that did a command. Tools report a change in a sentence already. */
export function phrase(command: Phrased, exchange: Exchange): string {
  const { result } = exchange
  const verb = verbs[command.kind]
  if (result === null) return sayFailed('path' in command ? `${verb} ${command.path}` : verb, exchange)
  if (command.kind === 'run')
    return `${result.ok ? 'It ran' : 'It did not succeed'}: ${command.command}\n\n${result.ok ? cut(result.text) : forPerson(result.text)}`
  if (!result.ok) return sayFailed('path' in command ? `${verb} ${command.path}` : verb, exchange)
  const text = withoutIds(command, cut(result.text))
  if (command.kind === 'list') return command.named === '' ? text : `Named like ${command.named}:\n${matching(text, command.named)}`
  if (command.kind === 'read') return `${command.path}:\n\n${text}`
  if (command.kind === 'search') return `Searched ${command.path} for ${JSON.stringify(command.pattern)}:\n\n${text}`
  return command.kind === 'time' ? `It is ${text}.` : text
}

/**
 * Hashes and ids are for a model, which names them in its next call. Of a file that is read, only the last line is the tool's own.
 */
function withoutIds({ kind }: Phrased, text: string): string {
  if (kind === 'read')
    return text
      .replace(/\n\[Hash \w+\.\]$/, '')
      .replace(/ \(hash \w+\)\.$/, '.')
      .replace(/ Continue with from_line \d+\. Hash \w+\.\]$/, ']')
  if (kind === 'recall') return text.replaceAll(/^\[note-[0-9a-f-]+\] /gm, '')
  if (kind === 'remember') return text.replaceAll(/ ?\bnote-[0-9a-f]+(?:-[0-9a-f]+)*\b/g, '')
  return text.replaceAll(/ \(hash [0-9a-f]+\)/g, '')
}

/** Lines of a listing whose last name fits; `*` and `?` as in a shell, any case, a part of the name is enough. */
function matching(text: string, named: string): string {
  const pattern = named
    .replaceAll(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '[^/]*')
    .replaceAll('?', '[^/]')
  const glob = /[*?]/.test(named)
  const fits = new RegExp(glob ? String.raw`(?:^|[/\s])${pattern}(?=\s|$)` : pattern, 'i')
  const lines = text.split('\n').filter((line) => fits.test(line))
  return lines.length === 0 ? 'Nothing has such a name.' : lines.join('\n')
}

/** What was done so far, from the messages alone. */
export function tellStory(exchanges: readonly Exchange[]): string {
  if (exchanges.length === 0) return 'Nothing so far: I have made no tool call in this conversation.'
  const shown = exchanges.slice(-storyActs)
  const lines = shown.map(({ call, result }) => {
    const ended = result === null ? 'no result' : result.ok ? 'done' : `failed: ${firstLine(result.text)}`
    return `- ${call.name} ${truncate(call.arguments, 100)} — ${ended}`
  })
  const before = exchanges.length - shown.length
  const head = `I made ${plural(exchanges.length, 'tool call')} that I can still see:`
  return [head, ...(before > 0 ? [`- (${before} earlier)`] : []), ...lines, 'The journal has every one of them: oxbow audit show.'].join(
    '\n',
  )
}

function firstLine(text: string): string {
  return truncate(text.trim().split('\n')[0] ?? '', 100)
}

/** What a person can do about a failure, by its code. Any other message is complete by itself. */
const advice: Readonly<Record<string, string>> = {
  not_found: 'Say "list the files" to see what is there.',
  edit_mismatch: 'Read the file to see its exact text.',
  outcome_unknown: 'Check what it did before you ask again.',
  sandbox_missing: '`oxbow doctor` shows what is missing.',
}

/** The failure of a call for a person: without its code and the hint, which is advice to a model. Output after the first line is kept. */
function forPerson(text: string): string {
  const [, code = '', message = ''] = /^Error \((\w+)\): (.*)$/s.exec(text) ?? []
  if (code === '') return cut(text)
  const [line = '', ...output] = message.split('\n')
  // The text does not mark where the hint begins. Messages are one sentence, and some add that nothing was done.
  const sentence = /^.*?\.(?= [A-Z]|$)(?: Nothing was [^.]*\.| It was not [^.]*\.)?/.exec(line)?.[0] ?? line
  return cut([[sentence, ownValue(advice, code) ?? ''].join(' ').trim(), ...output].join('\n'))
}

function cut(text: string): string {
  const clean = text.replace(/\s+$/, '')
  return clean.length > shownResultChars ? `${headOf(clean, shownResultChars)}\n… (the rest is left out)` : clean
}
