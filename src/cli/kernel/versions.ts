/** `oxbow restore --to`: files as they were in a version. */
import type { Terminal } from '../terminal.ts'
import { plainLine } from '../../terminal/index.ts'
import { type CallOptions, showOutput } from './call.ts'

interface Change {
  readonly path: string
  readonly change: 'added' | 'changed' | 'deleted'
}

const shortLength = 8

export interface RestoreOptions extends CallOptions {
  readonly to: string
  readonly yes?: boolean | undefined
}

interface Restored {
  readonly commit: string
  readonly changes: readonly Change[]
  readonly total: number
  readonly before: string
}

const verbs = { added: 'bring back', changed: 'replace', deleted: 'delete' } as const

/** Lists what would change; with `--yes` restores it. */
export function versionRestore(path: string, options: RestoreOptions, terminal: Terminal): Promise<number> {
  const apply = options.yes === true
  return showOutput(
    ['version.restore', { path, at: options.to, apply }],
    options,
    terminal,
    ({ commit, changes, total, before }: Restored) => {
      const target = commit.slice(0, shortLength)
      if (total === 0) return `${plainLine(path, 400)} is already as in ${target}.`
      const lines = changes.map((one) => `${verbs[one.change].padEnd(10)}  ${plainLine(one.path, 400)}`)
      if (total > changes.length) lines.push(`… and ${total - changes.length} more`)
      lines.push(
        '',
        apply
          ? `Restored to ${target}. Before: oxbow restore ${path} --to ${before.slice(0, shortLength)}`
          : 'Nothing is changed yet: add --yes.',
      )
      return lines.join('\n')
    },
  )
}
