/**
 * The calls about branches of files. A person sees and merges all of them; an agent those that it, or agents below it, asked for or work on.
 * What they show is as untrusted as the files, and has the labels of what those who changed them have read.
 */
import { posix } from 'node:path'
import { z } from 'zod'
import { type BranchBy, type AskRuns, isBelow } from '../../../kernel/index.ts'
import { OxbowError, plural, type SessionId } from '../../../base/index.ts'
import {
  type Call,
  type CallContext,
  type Caller,
  defineCall,
  type Done,
  evident,
  isBranchName,
  joinLabels,
  type Labels,
} from '../../../protocol/index.ts'
import type { Branches } from './branches.ts'
import { isEnded } from './branch-states.ts'
import { branchTimeoutMs } from '../limits.ts'
import { branchRecord, type BranchRecord, difference, mergedBranch, type MergedBranch } from '../version-schemas.ts'

export interface BranchCallDeps {
  readonly branches: () => Promise<Branches>
  /** What services say of the runs that they start. */
  readonly runs: AskRuns
  readonly loadHeld: (session: SessionId) => Promise<Labels>
}

const shared = {
  rare: true,
  audience: ['model', 'terminal'],
  labels: { adds: ['untrusted'], sink: false },
  timeoutMs: branchTimeoutMs,
} as const satisfies Partial<Call>
const reads = { ...shared, tier: 'read_only', right: 'file.read', effect: 'none' } as const
const writes = { ...shared, tier: 'side_effecting', right: 'file.write', files: 'writes', effect: 'idempotent' } as const

const branch = z.string().min(1).max(100).meta(evident('Name of the branch, or its beginning.'))
const dryRun = z.boolean().default(false).meta(evident('Only say what it would do.'))
const exampleName = 'try-1'

export function branchCalls(deps: BranchCallDeps): readonly Call[] {
  return [createCall(deps), listCall(deps), diffCall(deps), mergeCall(deps), dropCall(deps)]
}

function byOf({ caller, id, signal }: CallContext, name: string): BranchBy {
  return { caller, call: id, name, signal }
}

async function mayUse(deps: BranchCallDeps, caller: Caller, record: BranchRecord): Promise<boolean> {
  if (caller.audience === 'terminal' || record.home === caller.session) return true
  for (const session of [record.session, record.home])
    if (session !== '' && caller.session !== '' && (await isBelow(deps.runs, session, caller.session))) return true
  return false
}

/** @throws OxbowError `not_found`, `bad_input` */
async function find(deps: BranchCallDeps, caller: Caller, ref: string): Promise<BranchRecord> {
  const all = await (await deps.branches()).all()
  const exact = all.filter(({ name }) => name === ref)
  const named = exact.length > 0 ? exact : all.filter((one) => !isEnded(one) && one.name.startsWith(ref))
  const usable: BranchRecord[] = []
  for (const one of named) if (await mayUse(deps, caller, one)) usable.push(one)
  const [only, ...others] = usable
  if (only === undefined)
    throw new OxbowError('not_found', `There is no branch of files ${ref}.`, { hint: 'branch.list has those that you can use.' })
  if (others.length === 0) return only
  throw new OxbowError('bad_input', `${ref} could be any of ${usable.map(({ name }) => name).join(', ')}.`, { hint: 'Name one in full.' })
}

async function labelsOf({ loadHeld }: BranchCallDeps, { labels, session }: BranchRecord): Promise<Labels> {
  return session === '' ? labels : joinLabels(labels, await loadHeld(session))
}

function createCall(deps: BranchCallDeps): Call {
  return defineCall({
    ...writes,
    name: 'branch.create',
    does: [],
    summary: 'Makes a branch of files of the workspace, as it is or was in a version.',
    input: z.strictObject({
      name: z.string().refine(isBranchName, 'must be a plain name'),
      at: z.string().max(200).default('').describe('A version; empty: as it is now.'),
      base: z.string().max(200).default('').meta(evident('The version that a merge compares it with; empty: what it begins with.')),
    }),
    output: branchRecord,
    example: { name: exampleName, at: '', base: '' },
    recordOutput: ({ name, version, base }) => ({ branch: name, version, base }),
    compensation: ({ input: { name = '' } }) => ({ call: 'branch.drop', input: { branch: name } }),
    async run({ name, at, base }, context) {
      const branches = await deps.branches()
      if ((await branches.all()).some((one) => one.name === name && !isEnded(one) && one.state !== 'making'))
        throw new OxbowError('bad_input', `There is a branch of files ${name} already.`, {
          hint: `Choose another name, or remove it: oxbow branch drop ${name}`,
        })
      const made = await branches.create(byOf(context, 'branch.create'), { name, at, base, session: '' })
      return { output: made, text: `Branch ${name} begins with ${made.version.slice(0, 8)}.` }
    },
  })
}

function listCall(deps: BranchCallDeps): Call {
  return defineCall({
    ...reads,
    name: 'branch.list',
    summary: 'Lists branches of files.',
    input: z.strictObject({ ended: z.boolean().default(false).describe('Also those that were merged or dropped.') }),
    output: z.strictObject({ branches: z.array(branchRecord).readonly() }),
    example: { ended: false },
    recordOutput: ({ branches }) => ({ branches: branches.length }),
    async run({ ended }, { caller }) {
      const found: BranchRecord[] = []
      for (const record of await (await deps.branches()).all()) {
        // Records of earlier releases are of copies.
        const one = { ...record, over: record.over ?? '', copied: record.copied ?? '' }
        if ((ended || !isEnded(one)) && (await mayUse(deps, caller, one))) found.push(one)
      }
      found.sort((a, b) => a.created_at - b.created_at)
      const lines = found.map(
        ({ name, state, by, version, over }) =>
          `${name}: ${state}, ${over === '' ? 'a copy' : 'an overlay'} of ${version.slice(0, 8)}, by ${by}`,
      )
      const text = lines.join('\n') || 'There are no branches of files.'
      return { output: { branches: found }, text, labels: found.reduce<Labels>((all, { labels }) => joinLabels(all, labels), []) }
    },
  })
}

function diffCall(deps: BranchCallDeps): Call {
  return defineCall({
    ...reads,
    files: 'past',
    name: 'branch.diff',
    summary: 'Shows what has changed in a branch of files.',
    input: z.strictObject({ branch, path: z.string().max(4_096).default('/shared').meta(evident('File or folder.')) }),
    output: difference,
    example: { branch: exampleName, path: '/shared' },
    recordOutput: ({ from, to, total }) => ({ from, to, files: total }),
    async run({ branch: ref, path }, context) {
      const record = await find(deps, context.caller, ref)
      const found = await (await deps.branches()).diff(byOf(context, 'branch.diff'), record.name, treePath(path))
      const changes = found.changes.map((one) => ({ ...one, path: `/${one.path}` }))
      const lines = changes.map((one) => `${one.change} ${one.path}`).join('\n')
      return {
        output: { ...found, changes },
        text: changes.length === 0 ? 'Nothing has changed.' : `${lines}\n\n${found.text}`,
        labels: await labelsOf(deps, record),
      }
    },
  })
}

/** @throws OxbowError `path_refused` */
function treePath(path: string): string {
  const full = posix.resolve('/shared', path)
  if (full === '/shared' || full.startsWith('/shared/')) return full.slice(1)
  throw new OxbowError('path_refused', `${JSON.stringify(path.slice(0, 200))} is not in a branch of files.`, {
    hint: 'Name a path in /shared.',
  })
}

function mergeCall(deps: BranchCallDeps): Call {
  return defineCall({
    ...writes,
    files: 'past',
    name: 'branch.merge',
    summary: 'Merges what has changed in a branch of files into the workspace and drops the branch. With conflicts nothing is merged.',
    input: z.strictObject({
      branch,
      into: z.string().max(100).default('').meta(evident('Another branch, into which it is merged instead.')),
      conflicts: z
        .enum(['none', 'workspace', 'branch'])
        .default('none')
        .describe('Whose file to take where both have changed the same part.'),
      dry_run: dryRun,
    }),
    output: mergedBranch,
    example: { branch: exampleName, into: '', conflicts: 'none', dry_run: false },
    recordOutput: ({ total, conflicts, before, after }) => ({ files: total, conflicts: conflicts.length, before, after }),
    async run({ branch: ref, into, conflicts, dry_run: isDry }, context): Promise<Done<MergedBranch>> {
      const record = await find(deps, context.caller, ref)
      const other = into === '' ? null : await find(deps, context.caller, into)
      const branches = await deps.branches()
      const by = byOf(context, 'branch.merge')
      const how = { conflicts, isDry }
      const merged = await (other === null ? branches.merge(by, record.name, how) : branches.mergeInto(by, record.name, other.name, how))
      const shown = {
        ...merged,
        changes: merged.changes.map((one) => ({ ...one, path: `/${one.path}` })),
        conflicts: merged.conflicts.map((one) => ({ ...one, path: `/${one.path}` })),
      }
      const labels = await labelsOf(deps, record)
      const clashes = shown.conflicts.map(({ path, why }) => `conflict ${path}: ${why}`)
      if (merged.before === '') {
        const text = `Nothing was merged:\n${clashes.join('\n')}\nMake the same change in the branch or the workspace, or say whose file to take.`
        return { output: shown, text, labels, ok: false }
      }
      const lines = shown.changes.map(({ change, path }) => `${change} ${path}`)
      const before = merged.before.slice(0, 8)
      return {
        output: shown,
        text: [`${isDry ? 'Would merge' : 'Merged'} ${plural(merged.total, 'file')}; before: ${before}.`, ...lines, ...clashes].join('\n'),
        labels,
      }
    },
  })
}

function dropCall(deps: BranchCallDeps): Call {
  return defineCall({
    ...writes,
    name: 'branch.drop',
    does: ['delete'],
    summary: 'Drops a branch of files with everything that was changed in it.',
    input: z.strictObject({ branch, dry_run: dryRun }),
    output: branchRecord,
    example: { branch: exampleName, dry_run: false },
    recordOutput: ({ name }) => ({ branch: name }),
    async run({ branch: ref, dry_run: isDry }, context) {
      const { name, state } = await find(deps, context.caller, ref)
      const output = await (await deps.branches()).drop(byOf(context, 'branch.drop'), name, isDry)
      const text = state === 'dropped' ? `${name} was dropped already.` : isDry ? `Would drop ${name}.` : `Dropped ${name}.`
      return { output, text }
    },
  })
}
