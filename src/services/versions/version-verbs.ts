/** `oxbow log`, `diff`, `tag`, `undo` and `redo`: the versions of the workspace. */
import { formatTime, plainLine, plainText, table, undoQuestion, undoRow, wayBack } from '../../terminal/index.ts'
import { type JsonObject, textIn } from '../../base/index.ts'
import type { OutputOf, ServiceVerb } from '../../protocol/index.ts'
import { diffOf, diffText, foundPoint, isPoint } from '../session-points.ts'
import type { Conflicts } from './undo/undo-parts.ts'
import { planText } from './undo/undo-text.ts'
import type { Difference, LoggedCommit, VersionedTurn } from './version-schemas.ts'
import { differenceText, shortLength } from './version-text.ts'

/** Of `version.undo`, or of `version.turns` where a list was asked for. */
type Undone = { readonly diff: string } | { readonly turns: readonly VersionedTurn[] }

const choices = {
  '--yes': { field: 'apply', value: true, help: 'do it without asking; needed where nobody can be asked' },
  '--keep-later': { field: 'conflicts', value: 'keep_later', help: 'leave what was changed since as it is, and take back the rest' },
  '--overwrite': { field: 'conflicts', value: 'overwrite', help: 'put back what was before, also where it was changed since' },
} as const

/** Shows what an undo would do, and asks. */
const agreeToUndo = (isRedo: boolean): NonNullable<ServiceVerb['agree']> => ({
  by: {
    words: isRedo ? 'redo' : 'undo',
    summary: '',
    examples: [],
    call: 'version.undo',
    fixed: { redo: isRedo },
    show: (output: Parameters<typeof planText>[0], { input }) => plainText(planText(output, (input['conflicts'] ?? 'stop') as Conflicts)),
  },
  field: 'digest',
  yes: 'apply',
  question: () => (isRedo ? 'Bring this back?' : 'Undo this?'),
  answers(input, shown: Parameters<typeof undoQuestion>[1]) {
    const { text, answers } = undoQuestion({ ...input, redo: isRedo }, shown)
    if (answers.some(({ word }) => word === 'yes')) return undefined
    const options = answers.map(({ word }) => (word === 'keep' ? '--keep-later --yes' : '--overwrite --yes'))
    return { text, answers, unasked: `Add ${options.join(' or ')}; --dry-run shows it without asking.` }
  },
  declined: 'Nothing was changed.',
})

const dryRun = { '--dry-run': { field: 'apply', value: false, help: 'show what would happen and change nothing' } } as const

export const versionVerbs: readonly ServiceVerb[] = [
  {
    words: 'log [path]',
    summary: 'list the versions of the workspace, or of one file or folder',
    examples: ['oxbow log', 'oxbow log notes.md', 'oxbow log /state/projects/oxbow --json'],
    call: 'version.log',
    lists: { version: 'commit', from: 'commit', to: 'commit' },
    typed: {
      '--from <version>': { field: 'from', help: 'start at this version' },
      '--limit <n>': { field: 'limit', help: 'maximum number of versions to list' },
    },
    lines: ({ commits }: { readonly commits: readonly LoggedCommit[] }) => commits,
    empty: 'There are no versions yet: the first turn that changes something makes one.',
    show: ({ commits }: { readonly commits: readonly LoggedCommit[] }) => table(commits.map(logRow)),
  },
  {
    words: 'diff [from] [to]',
    summary: 'show what changed between two versions, by default in the newest one; or between two sessions or turns',
    examples: ['oxbow diff', 'oxbow diff HEAD~3', 'oxbow diff before-migration HEAD --path src', 'oxbow diff 019a@3 019b@3'],
    call: 'version.diff',
    typed: { '--path <path>': { field: 'path', help: 'only this file or folder' } },
    // `oxbow sessions diff` compares them, too.
    async find(input, ask) {
      const [from, to] = [textIn(input, 'from'), textIn(input, 'to')]
      if (!isPoint(from) || !isPoint(to)) return input
      return { a: await foundPoint(from, ask), b: await foundPoint(to, ask) }
    },
    instead: (input) => (input['a'] === undefined ? undefined : diffOf(input)),
    show: (found: Difference | OutputOf<'session.diff'>) => ('rows' in found ? diffText(found) : differenceText(found)),
  },
  {
    words: 'tag <name>',
    summary: 'give a version a name',
    examples: ['oxbow tag before-migration', 'oxbow tag v1 --at 3f2a91c0'],
    call: 'version.tag',
    typed: {
      name: 'tag',
      '--at <version>': { field: 'at', help: 'the version' },
      '--message <text>': { field: 'message', help: 'text of the tag' },
    },
    show: ({ commit }: { readonly commit: string }, { input }) => `Tagged ${commit.slice(0, shortLength)} as ${textIn(input, 'tag')}.`,
  },
  {
    words: 'undo [turn]',
    summary: 'take back all that a turn changed, by default the newest; shows it first and asks',
    examples: ['oxbow undo', 'oxbow undo --dry-run', 'oxbow undo --list', 'oxbow undo 0199d2c4-8f0e --yes', 'oxbow undo --keep-later'],
    call: 'version.undo',
    agree: agreeToUndo(false),
    typed: {
      turn: { field: 'turn', help: 'as `--list` shows it; default: the newest that is not undone' },
      ...dryRun,
      ...choices,
      '--list': { field: 'apply', value: false, help: 'list the turns that can be undone' },
    },
    omit: ['redo', 'digest'],
    instead: (_, { list }) => (list === true ? ['version.turns', {}] : undefined),
    lines: (output: Undone) => ['turns' in output ? output.turns : output],
    show: undoText,
  },
  {
    words: 'redo',
    summary: 'take back the newest undo; shows it first and asks',
    examples: ['oxbow redo', 'oxbow redo --yes'],
    call: 'version.undo',
    fixed: { redo: true },
    agree: agreeToUndo(true),
    typed: { ...dryRun, ...choices },
    omit: true,
    show: undoText,
  },
]

function logRow({ commit, at, author, subject, tags }: LoggedCommit): readonly string[] {
  const names = tags.length === 0 ? '' : ` (${tags.join(', ')})`
  return [commit.slice(0, shortLength), formatTime(at), plainLine(author, 30), plainLine(`${subject}${names}`, 100)]
}

function undoText(output: Undone, { input, text }: { readonly input: JsonObject; readonly text: string }): string {
  if ('turns' in output) return output.turns.length === 0 ? text : table(output.turns.map(undoRow))
  const next = input['apply'] === true ? `\n${wayBack(input['redo'] === true, (words) => `\`oxbow ${words}\``)}` : ''
  return plainText(`${text}${next}${output.diff === '' ? '' : `\n\n${output.diff}`}`)
}
