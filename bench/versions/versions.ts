/** Versions of a workspace: a checkpoint of many files, one without a change, and the commit of a small change. */
import { setTimeout as pause } from 'node:timers/promises'
import { appendFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { createVersions, type Versions } from '../../src/services/versions/versions.ts'
import { createSandbox } from '../../src/sandbox/index.ts'
import { parseConfig } from '../../src/services/index.ts'
import type { Measure } from '../measure.ts'
import { bounded, ms, type Row } from '../report.ts'
import { median } from '../statistics.ts'
import { sectionOf } from '../../src/config/index.ts'
import { versionsConfig } from '../../src/services/versions/config.ts'

const files = 10_000
const changedFiles = 10
const rounds = 20
const signal = new AbortController().signal

export const versions: Measure = {
  name: 'versions',
  title: 'Versions of the workspace',
  how: `A real sandbox and a repository in a temporary folder; ${files} files of 400 bytes in 100 folders, then the commits of ${changedFiles} changed files in a workspace of 1 000.`,
  run: async () => [...(await measure(files, false)), ...(await measure(1_000, true))],
}

async function measure(count: number, small: boolean): Promise<Row[]> {
  const root = await mkdtemp(join(tmpdir(), 'oxbow-bench-versions-'))
  const config = parseConfig({}, 'the bench')
  const sandbox = await createSandbox({ workspaceRoot: root, limits: config.sandbox, browser: config.browser, insecure: false })
  const kept = createVersions({
    folder: join(root, 'internal', 'versions'),
    sandbox,
    store: { documentCategories: async () => [] },
    documents: { all: async () => [] },
    config: sectionOf(versionsConfig, config),
    mounts: () => [],
    coveredFolders: () => [],
    pause: (waitMs) => pause(waitMs, undefined, { ref: false }),
    documentsChanged: { since: false },
  })
  try {
    const pathOf = (at: number): string => join(root, 'shared', `d${at % 100}`, `f${at}.txt`)
    for (let at = 0; at < 100; at += 1) await mkdir(join(root, 'shared', `d${at}`), { recursive: true })
    for (let at = 0; at < count; at += 1) await writeFile(pathOf(at), `file ${at}\n`.repeat(40))
    await sandbox.hands('work')
    const first = await timed(kept)
    await timed(kept)
    const same = await timed(kept)
    if (!small) {
      return [
        bounded(`checkpoint of ${count} files`, ms(first), '', '< 2 s', first < 2_000),
        bounded('the same without a change', ms(same), '', '< 200 ms', same < 200),
      ]
    }
    const delay = monitorEventLoopDelay({ resolution: 1 })
    const took: number[] = []
    delay.enable()
    for (let round = 0; round < rounds; round += 1) {
      for (let at = 0; at < changedFiles; at += 1) await appendFile(pathOf(at), 'x')
      took.push(await timed(kept))
    }
    delay.disable()
    const p50 = median(took)
    return [
      bounded(
        `commit of ${changedFiles} changed files`,
        `p50 ${ms(p50)}`,
        `event loop p99 ${ms(delay.percentile(99) / 1e6)}`,
        '< 50 ms',
        p50 < 50,
      ),
    ]
  } finally {
    await kept.close()
    await sandbox.close()
    await rm(root, { recursive: true, force: true })
  }
}

async function timed(kept: Versions): Promise<number> {
  const began = performance.now()
  await kept.commit(async () => ({ author: 'agent:ox', at: Date.now(), subject: 'bench', trailers: {} }), signal)
  return performance.now() - began
}
