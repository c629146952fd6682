/**
 * `allowed-tools` of a skill as rights of ours: what its scripts may use at most. The names are those that agents of others use, and our
 * own calls and rights. A name that is not known gives nothing.
 */
import { ownValue } from '../base/index.ts'
import type { Caller } from '../protocol/index.ts'

const rightsOf: Readonly<Record<string, readonly string[]>> = {
  bash: ['shell.run'],
  shell: ['shell.run'],
  exec: ['shell.run'],
  read: ['file.read'],
  grep: ['file.read'],
  glob: ['file.read'],
  ls: ['file.read'],
  write: ['file.read', 'file.write'],
  edit: ['file.read', 'file.write'],
  multiedit: ['file.read', 'file.write'],
  notebookedit: ['file.read', 'file.write'],
  shell_exec: ['shell.run'],
  file_list: ['file.read'],
  file_search: ['file.read'],
  file_bytes: ['file.read'],
}

export interface ScriptRights {
  /** Whether scripts may be started at all. */
  readonly run: boolean
  /** Of /shared. */
  readonly files: 'none' | 'read' | 'write'
  /** What is missing, for people and models; empty if the script may run. */
  readonly refusal: string
}

/**
 * @param tools null: the skill does not limit its scripts
 * @param command the program and its arguments, to which a pattern such as `Bash(python3:*)` is compared
 * @returns the rights of the caller that the skill's tools include
 */
export function scriptRights(
  caller: Pick<Caller, 'rights' | 'limits'>,
  tools: readonly string[] | null,
  command: readonly string[],
): ScriptRights {
  const allowed = tools === null ? null : tools.map(toolOf)
  const isAllowed = (right: string): boolean =>
    allowed === null || allowed.some(({ rights, pattern }) => rights.includes(right) && (right !== 'shell.run' || fits(pattern, command)))
  const held = (right: string): boolean => hasWhole(caller, right) && isAllowed(right)
  if (!held('shell.run'))
    return {
      run: false,
      files: 'none',
      refusal: hasWhole(caller, 'shell.run')
        ? 'the `allowed-tools` of the skill do not include Bash for this script'
        : 'the agent does not have the right shell.run',
    }
  return { run: true, files: held('file.write') ? 'write' : held('file.read') ? 'read' : 'none', refusal: '' }
}

/** Limits to folders cannot be kept for a script: a limited right counts as none. */
function hasWhole({ rights, limits }: Pick<Caller, 'rights' | 'limits'>, right: string): boolean {
  if (limits?.denied.has(right) === true || limits?.only.has(right) === true || limits?.except.has(right) === true) return false
  return rights.has(right) || rights.has('*')
}

function toolOf(tool: string): { readonly rights: readonly string[]; readonly pattern: string } {
  const [, name = '', pattern = ''] = /^([^()]*)(?:\((.*)\))?$/s.exec(tool.trim()) ?? []
  return { rights: ownValue(rightsOf, name.toLowerCase().replaceAll('.', '_')) ?? [name], pattern }
}

/** `python3:*`, `python3 *` and `python3` allow python3 with any arguments; `git status` exactly that; an empty pattern everything. */
function fits(pattern: string, [program = '', ...args]: readonly string[]): boolean {
  if (pattern === '' || pattern === '*') return true
  const [first = '', ...rest] = pattern.replace(/:\*$/, ' *').trim().split(/\s+/)
  if (first !== program && !program.endsWith(`/${first}`)) return false
  if (rest.length === 0) return true
  return (
    rest.every((word, at) => (word === '*' ? at === rest.length - 1 : word === args[at])) &&
    (rest.at(-1) === '*' || rest.length === args.length)
  )
}
