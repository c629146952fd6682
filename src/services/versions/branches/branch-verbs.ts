/** `oxbow branch`: branches of the workspace on which agents work. */
import { formatTime, mergedText, plainLine, plainText, table } from '../../../terminal/index.ts'
import { textIn } from '../../../base/index.ts'
import type { AskCall, ServiceVerb } from '../../../protocol/index.ts'
import type { BranchRecord, MergedBranch } from '../version-schemas.ts'
import { changeLines, differenceText, shortLength } from '../version-text.ts'

const nameOf = ({ name }: BranchRecord): string => plainLine(name, 100)

const filesText = ({ over, copied }: BranchRecord): string =>
  over !== '' ? 'overlay' : copied === '' ? 'copy' : `copy: ${plainLine(copied, 100)}`

const dryRun = { '--dry-run': { field: 'dry_run', value: true, help: 'show what would happen and change nothing' } } as const

export const branchVerbs: readonly ServiceVerb[] = [
  {
    words: 'branch',
    summary: 'branches of the workspace on which agents work: see what changed, merge or drop it',
    examples: ['oxbow branch list', 'oxbow branch merge 0199d2c4'],
  },
  {
    words: 'branch create <name>',
    summary: 'make a branch of the workspace',
    examples: ['oxbow branch create try-1', 'oxbow branch create try-2 --at HEAD~3'],
    call: 'branch.create',
    typed: { '--at <version>': { field: 'at', help: 'as it was in this version' } },
    omit: true,
    show: (made: BranchRecord) => `Branch ${nameOf(made)} begins with ${made.version.slice(0, shortLength)}.`,
  },
  {
    words: 'branch list',
    summary: 'list branches',
    examples: ['oxbow branch list', 'oxbow branch list --all'],
    call: 'branch.list',
    lists: { branch: 'name' },
    typed: { '--all': { field: 'ended', help: 'also those that were merged or dropped' } },
    lines: ({ branches }: { readonly branches: readonly BranchRecord[] }) => branches,
    empty: 'There are no branches: `oxbow spawn --branch "…"` starts an agent on one.',
    show: ({ branches }: { readonly branches: readonly BranchRecord[] }) =>
      table(
        branches.map((branch) => [
          nameOf(branch),
          branch.state,
          formatTime(branch.created_at),
          branch.version.slice(0, shortLength),
          plainLine(branch.by, 40),
          filesText(branch),
        ]),
      ),
  },
  {
    words: 'branch diff <branch>',
    summary: 'show what has changed in a branch',
    examples: ['oxbow branch diff try-1', 'oxbow branch diff try-1 --path /shared/src'],
    call: 'branch.diff',
    typed: { '--path <path>': { field: 'path', help: 'only this file or folder' } },
    show: differenceText,
  },
  {
    words: 'branch merge <branch>',
    summary: 'merge what has changed in a branch into the workspace, and drop the branch',
    examples: ['oxbow branch merge try-1 --dry-run', 'oxbow branch merge try-1', 'oxbow branch merge try-1 --conflicts branch'],
    call: 'branch.merge',
    typed: {
      '--into <branch>': { field: 'into', help: 'another branch, into which it is merged instead' },
      '--conflicts <side>': { field: 'conflicts', help: 'whose file to take where both have changed the same part' },
      ...dryRun,
    },
    omit: true,
    notice: endOf,
    show: (merged: MergedBranch) =>
      [
        ...merged.conflicts.map(({ path, why }) => `conflict  ${plainLine(path, 400)}: ${plainLine(why, 200)}`),
        ...changeLines(merged),
      ].join('\n'),
    fails: ({ before }: MergedBranch) => (before === '' ? 1 : null),
  },
  {
    words: 'branch drop <branch>',
    summary: 'drop a branch with everything that was changed in it',
    examples: ['oxbow branch drop try-1 --dry-run', 'oxbow branch drop try-1'],
    call: 'branch.drop',
    typed: { ...dryRun },
    async show(_: BranchRecord, { input, text, ask }) {
      if (input['dry_run'] !== true || !text.startsWith('Would')) return plainText(text)
      const changed = await lostBy(textIn(input, 'branch'), ask)
      return `${changed === '' ? '' : `${changed}\n`}${plainText(text)} Nothing is changed.`
    },
  },
]

/** @returns what has changed in a branch; empty where it has no files, because its copy was interrupted */
async function lostBy(branch: string, ask: AskCall): Promise<string> {
  const { branches } = await ask('branch.list', { ended: false })
  const isMaking = branches.some(({ name, state }) => name === branch && state === 'making')
  return isMaking ? '' : changeLines(await ask('branch.diff', { branch })).join('\n')
}

function endOf(merged: MergedBranch): string {
  const choice = merged.before === '' ? ' --conflicts workspace or --conflicts branch says whose file to take.' : ''
  return `${mergedText(merged)}${choice}`
}
