/** A deployment whose guest is killed with everything that it started, at any point: it ends, and no version is released twice. */
import assert from 'node:assert/strict'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { seededNumbers } from '../../src/base/random-fixture.ts'
import { shareCompileCache } from '../support/compile-cache.ts'
import { killable } from '../support/killable.ts'
import { scaled } from '../support/scale.ts'
import { programsFolder, type ProgramRun } from './bundled-home.ts'
import { deployedService, freePorts } from './deployed-service.ts'

const deployments = scaled(6)
/** A deployment takes about this long, from preflight to the end of its watch. */
const wholeMs = 4_000

void test(`${deployments} deployments are cut off, and none releases twice`, async (t) => {
  const home = mkdtempSync(join(tmpdir(), 'oxbow-home-'))
  const ports = await freePorts()
  const open = Object.values(ports).map((port) => `"127.0.0.1:${port}"`)
  writeFileSync(
    join(home, 'config.toml'),
    `[memory]\nembedder = "none"\n[model]\nprovider = "offline"\n[exec]\nallow = ["git"]\n[approval.calls]\n"exec.run" = "allow"\n"shell.online" = "allow"\n[flow]\nirreversible = "allow"\nnew_host = "allow"\n[egress]\nallow = [${open.join(', ')}]\n`,
  )
  shareCompileCache(home)
  mkdirSync(join(home, 'programs'))
  cpSync(join(programsFolder, 'deploy'), join(home, 'programs', 'deploy'), { recursive: true })
  const { serve, die, oxbow } = killable(home)
  const chance = seededNumbers(11)
  const ends: string[] = []
  let guest = await serve()
  await using service = deployedService(join(home, 'users', 'default', 'shared'), ports)
  try {
    for (let n = 1; n <= deployments; n++) {
      const version = `v${n}`
      service.tag({ tag: version })
      const inputs = JSON.stringify({ environment: 'production', version, repository: '/shared/app', watch_s: 1, check_s: 0.3 })
      const { id } = JSON.parse(await oxbow('program', 'run', 'deploy', '--background', '--inputs', inputs, '--json')) as ProgramRun<never>
      let killAt = Date.now() + chance() * wholeMs
      let kills = 2
      let run: ProgramRun<{ readonly result: string; readonly text: string }> | undefined
      for (let left = 120; left > 0; left--) {
        if (kills > 0 && Date.now() > killAt) {
          await die(guest)
          guest = await serve()
          kills -= 1
          killAt = Date.now() + chance() * wholeMs
        }
        run = JSON.parse(await oxbow('program', 'show', id, '--json')) as typeof run
        if (run!.status === 'waiting') {
          const waiting = JSON.parse(await oxbow('call', 'approval.list', '--json')) as readonly { readonly call: string }[]
          for (const { call } of waiting) await oxbow('call', 'call.decide', JSON.stringify({ call, allow: true }))
        } else if (run!.status !== 'running') break
        await sleep(100)
      }
      assert.equal(run?.status, 'success', JSON.stringify(run))
      const { result, text } = run.result
      ends.push(`${result} (${text})`)
      for (const environment of ['staging', 'production']) {
        const times = service.releases().filter((line) => line === `${environment} ${version}`).length
        assert.ok(times <= 1, `${version} was released ${times} times to ${environment}`)
      }
      // What it says is so.
      assert.equal(service.live('production') === version, result === 'SUCCESS', `${result}: ${text}`)
    }
    t.diagnostic(ends.join('; '))
  } finally {
    await die(guest)
    rmSync(home, { recursive: true, force: true })
  }
})
