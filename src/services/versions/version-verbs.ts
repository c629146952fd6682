/** `oxbow log`, `diff` and `tag`: the versions of the workspace. */
import { formatTime, plainLine, plainText, table } from '../../terminal/index.ts'
import { type ServiceVerb, textIn } from '../../types/index.ts'

interface Commit {
  readonly commit: string
  readonly author: string
  readonly at: number
  readonly subject: string
  readonly tags: readonly string[]
}

interface Difference {
  readonly changes: readonly { readonly path: string; readonly change: string }[]
  readonly total: number
  readonly text: string
}

const shortLength = 8

export const versionVerbs: readonly ServiceVerb[] = [
  {
    words: 'log [path]',
    summary: 'list the versions of the workspace, or of one file or folder',
    examples: ['oxbow log', 'oxbow log notes.md', 'oxbow log /state/projects/oxbow --json'],
    call: 'version.log',
    typed: {
      '--from <version>': { field: 'from', help: 'start at this version' },
      '--limit <n>': { field: 'limit', help: 'maximum number of versions to list' },
    },
    lines: ({ commits }: { readonly commits: readonly Commit[] }) => commits,
    empty: 'There are no versions yet: the first turn that changes something makes one.',
    show: ({ commits }: { readonly commits: readonly Commit[] }) => table(commits.map(logRow)),
  },
  {
    words: 'diff [from] [to]',
    summary: 'show what changed between two versions, by default in the newest one',
    examples: ['oxbow diff', 'oxbow diff HEAD~3', 'oxbow diff before-migration HEAD --path src'],
    call: 'version.diff',
    typed: { '--path <path>': { field: 'path', help: 'only this file or folder' } },
    show: differenceText,
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
]

function logRow({ commit, at, author, subject, tags }: Commit): readonly string[] {
  const names = tags.length === 0 ? '' : ` (${tags.join(', ')})`
  return [commit.slice(0, shortLength), formatTime(at), plainLine(author, 30), plainLine(`${subject}${names}`, 100)]
}

function differenceText({ changes, total, text }: Difference): string {
  if (total === 0) return 'Nothing changed.'
  const lines = changes.map(({ path, change }) => `${change.padEnd(7)}  ${plainLine(path, 400)}`)
  return `${lines.join('\n')}${total > changes.length ? `\n… and ${total - changes.length} more` : ''}\n\n${plainText(text)}`
}
