/** `oxbow audit archive`, `archives` and `restore`: what leaves the store for files, and what comes back. */
import { formatBytes, formatTime, plainLine, table } from '../../terminal/index.ts'
import type { ServiceVerb } from '../../protocol/index.ts'

interface Archive {
  readonly file: string
  readonly after: number
  readonly upto: number
  readonly records: number
  readonly bytes: number
  readonly at: number
  readonly restored: boolean
}

interface Archived {
  readonly files: readonly Archive[]
  readonly bodies: number
  readonly bytes: number
}

export const archiveVerbs: readonly ServiceVerb[] = [
  {
    words: 'audit archive',
    summary: 'move what was said and done in sessions that nobody uses any more to a signed, compressed file',
    examples: ['oxbow audit archive --days 365 --dry-run', 'oxbow audit archive'],
    call: 'audit.archive',
    typed: {
      '--days <n>': { field: 'days', help: 'keep so many days; default: audit.keep' },
      '--dry-run': { field: 'dry_run', help: 'say what would go, and change nothing', value: true },
    },
    omit: true,
    show({ files, bodies, bytes }: Archived, { input }) {
      const size = `${bodies} bodies, ${formatBytes(bytes)}`
      if (input['dry_run'] === true) return bodies === 0 ? 'Nothing is old enough.' : `Would archive ${size}.`
      if (bodies === 0) return 'Nothing is old enough.'
      const where = files.map(({ file }) => plainLine(file, 200)).join(', ')
      return `Archived ${size}${where === '' ? '' : ` in ${where}`}. The chain, the signed heads and all sums stay.`
    },
  },
  {
    words: 'audit archives',
    summary: 'list the archives of the journal',
    examples: ['oxbow audit archives', 'oxbow audit archives --json'],
    call: 'audit.archives',
    lines: ({ archives }: { readonly archives: readonly Archive[] }) => archives,
    empty: 'There are no archives; oxbow audit archive makes one.',
    lists: { file: 'file' },
    show: ({ archives }: { readonly archives: readonly Archive[] }) =>
      table(
        archives.map(({ file, after, upto, bytes, at, restored }) => [
          plainLine(file, 200),
          `records ${after + 1} to ${upto}`,
          formatBytes(bytes),
          formatTime(at),
          restored ? 'restored' : '',
        ]),
      ),
  },
  {
    words: 'audit restore <file>',
    summary: 'put back what an archive has',
    examples: ['oxbow audit restore journal-1-45210.jsonl.zst'],
    call: 'audit.restore',
    lists: { file: 'file' },
    show: ({ bodies }: { readonly bodies: number }) => `Restored ${bodies} bodies.`,
  },
]
