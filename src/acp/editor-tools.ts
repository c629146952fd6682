/**
 * What an editor offers besides its conversation, as tools of the model: files as the editor has them, with unsaved changes, and its
 * terminal. They act on the person's machine, outside of the sandbox, so each call passes the gate as `client.ask`: the flow policy
 * judges what may leave, and changes and commands ask as `[approval]` says for their tier.
 */
import { isAbsolute } from 'node:path'
import type { ClientCapabilities } from '@agentclientprotocol/sdk'
import { type JsonObject, ownValue, parseObject, truncate } from '../base/index.ts'
import type { ClientCall, ClientTool } from '../protocol/index.ts'
import { commandTimeoutMs, maxToolChars } from './limits.ts'

/** What the editor answers; each method rejects when the editor does not, or the signal aborts. */
export interface EditorMachine {
  readFile(path: string, line: number | null, limit: number | null, signal: AbortSignal): Promise<string>
  writeFile(path: string, content: string, signal: AbortSignal): Promise<void>
  /** Runs to its end; an abort ends it. */
  run(command: EditorCommand, call: string, signal: AbortSignal): Promise<CommandEnd>
}

interface EditorCommand {
  readonly command: string
  readonly args: readonly string[]
  readonly cwd: string | null
}

export interface CommandEnd {
  readonly output: string
  readonly truncated: boolean
  readonly exit: string
}

const path = { type: 'string', description: 'Absolute path on the machine of the person.' }

const readTool: ClientTool = {
  name: 'editor_read_file',
  description: 'Reads a text file as the person’s editor has it, with changes that are not saved. Use file_read for all other files.',
  parameters: {
    type: 'object',
    properties: {
      path,
      line: { type: 'integer', description: 'First line.' },
      limit: { type: 'integer', description: 'Number of lines.' },
    },
    required: ['path'],
  },
}

const writeTool: ClientTool = {
  name: 'editor_write_file',
  description: 'Replaces a text file in the person’s editor. Use file_edit and file_write for files in /shared.',
  parameters: { type: 'object', properties: { path, content: { type: 'string' } }, required: ['path', 'content'] },
  tier: 'privileged',
}

const runTool: ClientTool = {
  name: 'editor_run',
  description:
    'Runs a program in the terminal of the person’s editor, outside of the sandbox, to its end. Use shell_run where that will do.',
  parameters: {
    type: 'object',
    properties: { command: { type: 'string' }, args: { type: 'array', items: { type: 'string' } }, cwd: path },
    required: ['command'],
  },
  tier: 'privileged',
}

/** @returns the tools that the editor offers */
export function editorTools({ fs, terminal }: ClientCapabilities): readonly ClientTool[] {
  return [
    ...(fs?.readTextFile === true ? [readTool] : []),
    ...(fs?.writeTextFile === true ? [writeTool] : []),
    ...(terminal === true ? [runTool] : []),
  ]
}

/** @returns what the model reads: the result, or the reason for the failure. Never throws. */
export async function runEditorTool(
  { name, arguments: args, call }: ClientCall,
  machine: EditorMachine,
  capabilities: ClientCapabilities,
  signal: AbortSignal,
): Promise<string> {
  const input = parseObject(args)
  if (input === null) return 'Error: the arguments are not a JSON object.'
  if (!editorTools(capabilities).some((tool) => tool.name === name)) return `Error: the editor has no tool ${name}.`
  const limited = AbortSignal.any([signal, AbortSignal.timeout(commandTimeoutMs)])
  try {
    return truncate(await act(name, input, machine, call, limited), maxToolChars)
  } catch (error) {
    return `Error: ${error instanceof Error ? error.message : 'the editor did not answer'}`
  }
}

async function act(name: string, input: JsonObject, machine: EditorMachine, call: string, signal: AbortSignal): Promise<string> {
  if (name === 'editor_run') {
    const end = await machine.run(
      { command: textOf(input, 'command'), args: textsOf(input['args']), cwd: optionalPath(input['cwd']) },
      call,
      signal,
    )
    return `${end.output}${end.truncated ? '\n(the beginning is missing)' : ''}\n(${end.exit})`
  }
  const file = absolute(textOf(input, 'path'))
  if (name === 'editor_read_file') return machine.readFile(file, countOf(input['line']), countOf(input['limit']), signal)
  const content = textOf(input, 'content', true)
  await machine.writeFile(file, content, signal)
  return `Wrote ${content.length} characters to ${file} in the editor.`
}

function textOf(input: JsonObject, key: string, mayBeEmpty: boolean = false): string {
  const value = ownValue(input, key)
  if (typeof value === 'string' && (mayBeEmpty || value !== '')) return value
  throw new Error(`${key} must be a text.`)
}

function textsOf(value: unknown): readonly string[] {
  if (value === undefined) return []
  if (Array.isArray(value) && value.every((each) => typeof each === 'string')) return value
  throw new Error('args must be a list of texts.')
}

function countOf(value: unknown): number | null {
  return typeof value === 'number' && Number.isInteger(value) && value > 0 ? value : null
}

function optionalPath(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? absolute(value) : null
}

function absolute(value: string): string {
  if (isAbsolute(value)) return value
  throw new Error('The path must be absolute, on the machine of the person; files in /shared are read by file_read.')
}
