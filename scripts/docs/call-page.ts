/** `docs/calls.md`, from the call registry. */
import type { JsonObject } from '../../src/types/index.ts'
import { code, page, table } from './markdown.ts'

/** The part of the kernel's `CallReference` that the page shows. */
export interface CallEntry {
  readonly name: string
  readonly summary: string
  readonly tier: string
  readonly right: string
  readonly effect: string
  readonly audience: readonly string[]
  readonly rare: boolean
  readonly timeout_ms: number | null
  readonly input: JsonObject
  readonly example: unknown
}

interface Field {
  readonly type?: string
  readonly description?: string
  readonly default?: unknown
  readonly enum?: readonly unknown[]
}

const effectText: Readonly<Record<string, string>> = {
  none: 'none: safe to repeat',
  idempotent: 'idempotent: safe to repeat with the same id',
  once: 'once: reconciled after a crash, never repeated',
}

export function callPage(calls: readonly CallEntry[]): string {
  const sorted = calls.toSorted((a, b) => (a.name < b.name ? -1 : 1))
  const overview = sorted.map((call) => [code(call.name), call.summary, call.tier, code(call.right), call.audience.join(', ')])
  return page(
    '# Calls',
    'All system calls. A model sees a call as a tool, with `_` for `.`; a terminal makes it by name. Every call passes the gate and is recorded in the journal.',
    table(['call', 'what it does', 'tier', 'right', 'offered to'], overview),
    ...sorted.map(section),
  )
}

function section(call: CallEntry): string {
  const fields = Object.entries((call.input['properties'] ?? {}) as Readonly<Record<string, Field>>)
  const required = (call.input['required'] ?? []) as readonly string[]
  const rows = fields.map(([name, field]) => [
    code(name),
    field.enum === undefined ? (field.type ?? 'any') : field.enum.map((value) => code(String(value))).join(' or '),
    required.includes(name) ? 'required' : field.default === undefined ? 'optional' : code(JSON.stringify(field.default)),
    field.description ?? '',
  ])
  const limit = call.timeout_ms === null ? 'none' : `${call.timeout_ms / 1000} s`
  return [
    `## ${code(call.name)}`,
    call.summary,
    `Effect ${effectText[call.effect] ?? call.effect}. Time limit ${limit}.${call.rare ? ' A model finds it with `tool_search` when too many tools are on.' : ''}`,
    fields.length === 0 ? 'No arguments.' : table(['field', 'type', 'default', 'meaning'], rows),
    `Example: ${code(JSON.stringify(call.example))}`,
  ].join('\n\n')
}
