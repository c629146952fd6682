/** Branches and plans over many files: to branch off, the difference of what was changed, and to apply a plan. In a guest, in the default configuration. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { JsonObject } from '../../src/base/index.ts'
import { createSandbox } from '../../src/sandbox/index.ts'
import { parseConfig } from '../../src/services/index.ts'
import type { Measure } from '../measure.ts'
import { bounded, figure, ms, shown } from '../report.ts'
import { median } from '../statistics.ts'
import type { GatewayClient } from '../subjects/gateway-client.ts'
import { makeWorkspace, startGuest } from '../subjects/guest.ts'
import { changedFiles, prompts } from '../subjects/model-server.ts'

/** Of the workspace of the guest, and of the one that is only laid over. */
const files = 10_000
const overlaid = 100_000
const branches = 10
const rounds = 3

interface Plan {
  readonly id: string
  readonly digest: string
  readonly state: string
  readonly total: number
}

export const plans: Measure = {
  name: 'plans',
  title: 'Branches and plans',
  how: `An overlay is the sandbox's own branch, in workspaces of ${figure(overlaid)} and of 100 files, ${branches} times each. To branch off is \`branch.create\` in a guest over ${figure(files)} files, which also looks for what has changed. Then the agent makes a plan in which a command changes ${figure(changedFiles)} files; its branch is compared with where it began, and the plan is applied, ${rounds} times.`,
  async run({ programs, modelUrl }) {
    const [many, few] = [await overlays(overlaid), await overlays(100)]
    using workspace = makeWorkspace()
    const pathOf = (at: number): string => join(workspace.root, 'shared', `d${at % 100}`, `f${at}.txt`)
    for (let at = 0; at < 100; at += 1) mkdirSync(join(workspace.root, 'shared', `d${at}`), { mode: 0o777 })
    for (let at = 0; at < files; at += 1) writeFileSync(pathOf(at), `file ${at}\n`.repeat(4), { mode: 0o666 })
    const guest = await startGuest({ program: programs.usual, workspace, modelUrl, config: { approval: { privileged: 'allow' } } })
    try {
      using terminal = await guest.connect()
      const took = { branch: [] as number[], difference: [] as number[], apply: [] as number[] }
      const timed = async <Output>(kind: keyof typeof took, name: string, input: JsonObject): Promise<Output> => {
        const began = performance.now()
        const output = await ask<Output>(terminal, name, input)
        took[kind].push(performance.now() - began)
        return output
      }
      await ask(terminal, 'branch.create', { name: 'first' })
      for (let n = 0; n < branches; n += 1) await timed('branch', 'branch.create', { name: `b${n}` })
      for (let n = 0; n < branches; n += 1) await ask(terminal, 'branch.drop', { branch: `b${n}` })
      for (let round = 0; round < rounds; round += 1) {
        const { id, digest, total } = await ask<Plan>(terminal, 'plan.make', { text: prompts.manyFiles })
        if (total !== changedFiles) throw new Error(`a plan of ${total} files`)
        const { branch } = await ask<{ readonly branch: string }>(terminal, 'plan.show', { plan: id })
        await timed('difference', 'branch.diff', { branch })
        const before = readFileSync(pathOf(0), 'utf8')
        const { state } = await timed<Plan>('apply', 'plan.apply', { plan: id, digest })
        if (state !== 'applied' || readFileSync(pathOf(0), 'utf8') === before) throw new Error(`the plan is ${state}`)
      }
      const [branch, difference, apply] = [median(took.branch), median(took.difference), median(took.apply)]
      return [
        bounded(`overlay over ${figure(overlaid)} files, p50`, ms(many), `over 100 files ${ms(few)}`, '< 50 ms', many < 50),
        shown(`branch over ${figure(files)} files, p50`, ms(branch)),
        bounded(`difference of ${figure(changedFiles)} files`, ms(difference), '', '< 1 s', difference < 1_000),
        bounded(`apply ${figure(changedFiles)} files`, ms(apply), '', '< 2 s', apply < 2_000),
      ]
    } finally {
      await guest[Symbol.asyncDispose]()
    }
  },
}

/** @returns how long one takes */
async function overlays(count: number): Promise<number> {
  const root = mkdtempSync(join(tmpdir(), 'oxbow-bench-overlay-'))
  const config = parseConfig({}, 'the bench')
  const sandbox = await createSandbox({ workspaceRoot: root, limits: config.sandbox, browser: config.browser, insecure: false })
  try {
    for (let at = 0; at < 100; at += 1) mkdirSync(join(root, 'shared', `d${at}`), { recursive: true })
    for (let at = 0; at < count; at += 1) writeFileSync(join(root, 'shared', `d${at % 100}`, `f${at}.txt`), '')
    const kept = sandbox.branches
    if (kept === undefined) throw new Error('this sandbox has no branches')
    await sandbox.hands('work')
    const took: number[] = []
    for (let n = 0; n <= branches; n += 1) {
      const began = performance.now()
      const { kind } = await kept.create(`b${n}`, AbortSignal.timeout(60_000))
      // The first one also finds out what the machine can do.
      if (n > 0) took.push(performance.now() - began)
      if (kind !== 'overlay') throw new Error('this machine has no overlays')
    }
    for (let n = 0; n <= branches; n += 1) await kept.drop(`b${n}`)
    return median(took)
  } finally {
    await sandbox.close()
    rmSync(root, { recursive: true, force: true })
  }
}

async function ask<Output>(terminal: GatewayClient, name: string, input: JsonObject): Promise<Output> {
  const outcome = await terminal.call(name, input)
  if (outcome.status !== 'ok') throw new Error(`${name}: ${outcome.text}`)
  return outcome.output as Output
}
