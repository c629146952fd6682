/** deploy in a real guest: a real HTTP service goes live from tags, is watched, approved and rolled back, and is never released twice. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type BundledHome, openBundled, type ProgramRun } from './bundled-home.ts'
import { type Deployed, deployedService, freePorts } from './deployed-service.ts'

interface Result {
  readonly result: string
  readonly version: string
  readonly previous: string
  readonly text: string
}

interface Place {
  readonly home: BundledHome
  readonly service: Deployed
  begin(input: object): Promise<string>
  show(run: string): Promise<ProgramRun<Result>>
  until(run: string, fits: (run: ProgramRun<Result>) => boolean): Promise<ProgramRun<Result>>
  /** Answers what waits for a person. @returns whether something did */
  decide(allow: boolean): Promise<boolean>
}

async function withService(work: (place: Place) => Promise<void>): Promise<void> {
  const ports = await freePorts()
  const open = Object.values(ports).map((port) => `"127.0.0.1:${port}"`)
  const config = `[exec]\nallow = ["git"]\n[approval.calls]\n"exec.run" = "allow"\n"shell.online" = "allow"\n[flow]\nirreversible = "allow"\nnew_host = "allow"\n[egress]\nallow = [${open.join(', ')}]\n`
  await using home = await openBundled(['deploy'], config)
  await using service = deployedService(home.shared, ports)
  const show: Place['show'] = async (run) => (await home.json<ProgramRun<Result>>('program', 'show', run))[0]!
  await work({
    home,
    service,
    show,
    async begin(input) {
      const inputs = JSON.stringify({ repository: '/shared/app', watch_s: 2, check_s: 0.3, ...input })
      const [run] = await home.json<ProgramRun<Result>>('program', 'run', 'deploy', '--background', '--inputs', inputs)
      return run!.id
    },
    async until(run, fits) {
      for (let left = 60; left > 0; left--) {
        const shown = await show(run)
        if (fits(shown)) return shown
        await sleep(100)
      }
      throw new Error(`the run never gets there: ${JSON.stringify([await show(run), await home.json('call', 'approval.list')])}`)
    },
    async decide(allow) {
      const [waiting] = await home.json<readonly { readonly call: string }[]>('call', 'approval.list')
      for (const { call } of waiting ?? []) await home.json('call', 'call.decide', JSON.stringify({ call, allow }))
      return (waiting ?? []).length > 0
    },
  })
}

const isOver = ({ status }: ProgramRun<Result>): boolean => status !== 'running' && status !== 'waiting'
const waits = ({ status, waiting_for: what }: ProgramRun<Result>): boolean => status === 'waiting' && what === 'an approval'

void test('a service goes from a tag to staging, with approval to production, and back when it fails', async () => {
  await withService(async ({ home, service, begin, until, decide }) => {
    service.tag({ tag: 'v1' })
    const staged = await until(await begin({ environment: 'staging' }), isOver)
    assert.deepEqual(
      [staged.result?.result, staged.result?.version, staged.result?.previous],
      ['SUCCESS', 'v1', ''],
      JSON.stringify(staged),
    )
    assert.deepEqual(service.releases(), ['staging v1'])

    const first = await begin({ environment: 'production', version: 'v1' })
    await until(first, waits)
    assert.equal(service.live('production'), '', 'nothing is live before a person has agreed')
    await decide(true)
    const released = await until(first, isOver)
    assert.equal(released.result?.result, 'SUCCESS', JSON.stringify(released))
    assert.deepEqual(service.releases(), ['staging v1', 'production v1'], 'staging has it already')

    // It begins to fail while it is watched. Staging looks once.
    service.tag({ tag: 'v2', badAfter: 2 })
    const second = await begin({ environment: 'production' })
    await until(second, waits)
    await decide(true)
    const back = await until(second, isOver)
    assert.deepEqual([back.result?.result, back.result?.version, back.result?.previous], ['ROLLED_BACK', 'v2', 'v1'], JSON.stringify(back))
    assert.match(back.result.text, /answers with 500; v1 is live again/)
    assert.equal(service.live('production'), 'v1')
    assert.equal(await (await fetch(`http://127.0.0.1:${service.ports.production}/`)).text(), 'v1')
    assert.deepEqual(service.rollbacks(), ['production v1'])

    service.tag({ tag: 'v3' })
    const third = await begin({ environment: 'production' })
    await until(third, waits)
    await decide(false)
    const stopped = await until(third, isOver)
    assert.deepEqual([stopped.result?.result, service.live('production')], ['FAILED', 'v1'], JSON.stringify(stopped))
    assert.match(stopped.result.text, /not approved/)

    const missing = await until(await begin({ environment: 'staging', version: 'v9' }), isOver)
    assert.deepEqual([missing.result?.result, missing.result?.text], ['FAILED', '/shared/app has no tag v9.'])
    const typed = await home.oxbow([
      'program',
      'run',
      'deploy',
      '--input',
      'environment=staging',
      '--input',
      'version=v9',
      '--input',
      'repository=/shared/app',
    ])
    assert.deepEqual([typed.exit, /"result": "FAILED"/.test(typed.out)], [12, true], 'the exit code tells')
    const again = await until(await begin({ environment: 'staging', version: 'v3' }), isOver)
    assert.match(again.result.text, /live already/)
  })
})
