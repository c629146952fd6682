/** How a call of an agent looks in an editor: a title, a kind, the files that it touches, and what it changes in them. */
import { posix } from 'node:path'
import type { ToolCallContent, ToolCallLocation, ToolKind } from '@agentclientprotocol/sdk'
import { plainLine } from '../terminal/index.ts'
import { isObject, type JsonObject, ownValue, parseObject, truncate } from '../base/index.ts'
import { toolName } from '../protocol/index.ts'
import { maxDiffChars, maxTitleChars } from './limits.ts'
import type { AcpPorts } from './ports.ts'

export interface ToolView {
  readonly title: string
  readonly name: string
  readonly kind: ToolKind
  readonly locations: ToolCallLocation[]
  readonly content: ToolCallContent[]
  readonly rawInput: JsonObject
}

/** The first that matches the name of a tool. */
const kinds: readonly (readonly [pattern: RegExp, kind: ToolKind])[] = [
  [/^(file_search|memory_search|web_search|tool_search|agent_find)$/, 'search'],
  [/^(file_(read|list|bytes)|editor_read_file|memory_(expand|recall)|vault_list)$/, 'read'],
  [/^(file_(edit|write|patch)|editor_write_file|attachment_save|vault_copy_to)$/, 'edit'],
  [/^(file_delete|memory_(delete|forget))$/, 'delete'],
  [/^file_move$/, 'move'],
  [/^(shell_|exec_|editor_run)/, 'execute'],
  [/^(web_|browser_)/, 'fetch'],
  [/^scratchpad_/, 'think'],
]

/** @param call name of a call or of a tool @param input JSON as a model wrote it */
export function viewTool(call: string, input: string, { ownPath }: Pick<AcpPorts, 'ownPath'>): ToolView {
  const name = toolName(call)
  const rawInput = parseObject(input) ?? {}
  const paths = pathsOf(rawInput).map((path) => ({ path, own: ownPath(posix.resolve('/shared', path)) }))
  const line = rawInput['from_line'] ?? rawInput['line']
  return {
    name,
    title: titleOf(name, rawInput),
    kind: kinds.find(([pattern]) => pattern.test(name))?.[1] ?? 'other',
    locations: paths.flatMap(({ own }) =>
      own === undefined ? [] : [{ path: own, ...(typeof line === 'number' && line > 0 && { line }) }],
    ),
    content: changeOf(name, rawInput, paths[0]?.own),
    rawInput,
  }
}

function textIn(input: JsonObject, key: string): string | null {
  const value = ownValue(input, key)
  return typeof value === 'string' ? value : null
}

function pathsOf(input: JsonObject): readonly string[] {
  return ['path', 'from', 'to', 'destination_path'].flatMap((key) => textIn(input, key) ?? [])
}

function titleOf(name: string, input: JsonObject): string {
  const command = textIn(input, 'command') ?? textIn(input, 'binary')
  const args = Array.isArray(input['args']) ? input['args'].filter((each) => typeof each === 'string') : []
  const subject =
    command === null
      ? ((pathsOf(input).join(' → ') ||
          textIn(input, 'url') ||
          textIn(input, 'query') ||
          textIn(input, 'pattern') ||
          textIn(input, 'goal')) ??
        '')
      : [command, ...args].join(' ')
  return plainLine(subject === '' ? name : `${name} ${subject}`, maxTitleChars)
}

const changesText: ReadonlySet<string> = new Set(['file_edit', 'file_write', 'editor_write_file'])

/** @param own path of the file on this machine */
function changeOf(name: string, input: JsonObject, own: string | undefined): ToolCallContent[] {
  const patch = name === 'file_patch' ? textIn(input, 'diff') : null
  if (patch !== null) return [textContent(fencedCode(patch, 'diff'))]
  const path = own ?? textIn(input, 'path')
  const added = textIn(input, name === 'file_edit' ? 'replace' : name === 'editor_write_file' ? 'content' : 'text')
  if (path === null || added === null || !changesText.has(name)) return []
  const removed = name === 'file_edit' ? (textIn(input, 'find') ?? '') : null
  if (added.length + (removed?.length ?? 0) > maxDiffChars) return []
  return [{ type: 'diff', path, oldText: removed, newText: added }]
}

export function textContent(text: string): ToolCallContent {
  return { type: 'content', content: { type: 'text', text } }
}

/** A fence that the text cannot close. */
export function fencedCode(text: string, language: string = ''): string {
  const longest = Math.max(2, ...(text.match(/`+/g) ?? []).map((run) => run.length))
  const fence = '`'.repeat(longest + 1)
  return `${fence}${language}\n${truncate(text, maxDiffChars)}\n${fence}`
}

/** The entries of a plan in the notes that an agent keeps for itself; none where no note is marked as a step. */
export function planOf(items: unknown): { content: string; priority: 'medium'; status: 'pending' | 'in_progress' | 'completed' }[] {
  const notes = Array.isArray(items) ? items.filter((item) => typeof item === 'string') : []
  return notes.flatMap((note) => {
    const [, mark = '', content = ''] = /^\s*(?:[-*]\s*)?(\[[ xX~>-]\]|[A-Za-z ]{2,12}:)\s*(.+)$/s.exec(note) ?? []
    const status = ownValue(planStatus, mark.toLowerCase())
    return status === undefined ? [] : [{ content: plainLine(content, 500), priority: 'medium' as const, status }]
  })
}

const planStatus: Readonly<Record<string, 'pending' | 'in_progress' | 'completed'>> = {
  '[ ]': 'pending',
  'next:': 'pending',
  'todo:': 'pending',
  'to do:': 'pending',
  'later:': 'pending',
  '[~]': 'in_progress',
  '[>]': 'in_progress',
  '[-]': 'in_progress',
  'now:': 'in_progress',
  'doing:': 'in_progress',
  'in progress:': 'in_progress',
  '[x]': 'completed',
  'done:': 'completed',
}

/** @returns the object that a record's body is, or an empty one */
export function fieldsOf(body: unknown): JsonObject {
  return isObject(body) ? body : {}
}
