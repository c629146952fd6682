/** Commands and sessions with a way out, side by side in one sandbox: each has its own hosts, and is told and counted by itself. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { JsonObject } from '../../src/base/index.ts'
import type { Done } from '../../src/protocol/index.ts'
import { onlineCalls } from './online-calls.ts'
import type { OnlineCall } from './online-calls.ts'
import { openOnlineBench, siteText } from './online-fixture.ts'
import type { OnlineBench } from './online-fixture.ts'

describe('a command with hosts of its own', () => {
  let online: OnlineBench
  const recorded: JsonObject[] = []
  let call: OnlineCall
  before(async () => {
    online = await openOnlineBench()
    call = onlineCalls(online, recorded)
  })
  after(() => online[Symbol.asyncDispose]())

  const site = (): string => `http://site.test:${online.http}`
  const hostsOf = ({ output }: Done<any>): string[] => output.hosts.map(({ host, decision }: any) => `${decision} ${host}`)

  it('is told only its own, though another one reaches others at the same time', async () => {
    const [one, other] = await Promise.all([
      call('shell.online', { command: `for i in 1 2 3; do curl -sS ${site()}/; sleep 0.1; done` }),
      call('shell.online', { command: 'for i in 1 2 3; do curl -sS -o /dev/null http://closed.test/; sleep 0.1; done' }),
    ])
    assert.deepEqual([hostsOf(one), hostsOf(other)], [['reached site.test'], ['refused closed.test']])
    assert.equal(one.output.hosts[0].connections, 3)
    assert.equal(one.output.stdout, siteText.repeat(3))
  })

  it('reaches those alone that it was called with, and no more than the egress rules let', async () => {
    const only = async (hosts: readonly string[], url: string): Promise<string> => {
      const { output } = await call('shell.online', { command: `curl -sS ${url}`, hosts })
      return output.stdout
    }
    assert.equal(await only([`site.test:${online.http}`], `${site()}/`), siteText)
    assert.equal(await only(['*.test'], `${site()}/`), siteText)
    assert.match(await only(['other.test'], `${site()}/`), /^oxbow: site\.test:\d+ may not be reached: it is not among the hosts/)
    assert.match(await only(['site.test:443'], `${site()}/`), /it is not among the hosts/)
    assert.match(await only(['closed.test'], 'http://closed.test/'), /it leads to this machine/)
    await assert.rejects(call('shell.online', { command: 'true', hosts: ['http://site.test/'] }), { code: 'bad_input' })
  })

  it('cannot leave its pass behind, take one that has ended, or make one up', async () => {
    const refused = /^oxbow: The request has no pass/
    const to = (proxy: string, url = `${site()}/`): string => `curl -sS -x ${proxy} ${url}`
    const { output } = await call('shell.online', {
      command: [
        'echo "$http_proxy"',
        to('http://127.0.0.1:8118'),
        to('http://oxbow:0123456789abcdef0123456789abcdef@127.0.0.1:8118'),
        to('http://127.0.0.1:8118', `-p ${site()}/`),
      ].join('; '),
      hosts: ['nowhere.test'],
    })
    const [proxy, plain, madeUp] = output.stdout.split('\n') as string[]
    assert.match(proxy!, /^http:\/\/oxbow:[0-9a-f]{32}@127\.0\.0\.1:8118$/)
    for (const said of [plain, madeUp]) assert.match(said!, refused)
    assert.match(output.stderr, /response 407/)
    assert.match((await call('shell.online', { command: to(proxy!) })).output.stdout, refused)
  })

  it('is found by git, which sends a password only when it is asked for it', async () => {
    const command = `rm -rf /tmp/c && git clone -q ${site()}/repo.git /tmp/c && cat /tmp/c/hello.txt`
    const done = await call('shell.online', { command, hosts: [`site.test:${online.http}`] })
    assert.equal(done.output.stdout, 'from the repository\n', done.output.stderr)
    assert.deepEqual(hostsOf(done), ['reached site.test'])
  })

  it('is a session, too: it keeps its hosts from one input to the next, and is its conversation’s', async () => {
    const { output: opened, text } = await call('shell.online_session', { hosts: ['site.test'] })
    const { id } = opened
    assert.match(text ?? '', /^Opened net-shell-\S+ with plain pipes; send input with shell\.online_write/)
    await call('shell.online_write', { id, text: `page=$(curl -sS ${site()}/)` })
    const second = await call('shell.online_write', { id, text: 'echo "got $page"; curl -sS http://closed.test/' })
    assert.match(second.output.text, new RegExp(`got ${siteText}\noxbow: closed\\.test:80 may not be reached: it is not among`))
    assert.deepEqual(hostsOf(second), ['reached site.test', 'refused closed.test'])
    assert.match(second.text ?? '', /^net-shell-\S+: .*\nnetwork:\n {2}reached site\.test/)

    await assert.rejects(call('shell.session_write', { id, text: 'x' }), { code: 'bad_input', hint: 'Use shell_online_write.' })
    await assert.rejects(call('shell.session_read', { id }, 'another'), { code: 'not_found' })
    assert.match((await call('shell.session_list', {})).text ?? '', new RegExp(`^${id}: a shell,`, 'm'))
    assert.equal((await call('shell.session_list', {}, 'another')).text, 'No session is open and no job is running.')

    recorded.length = 0
    await call('shell.session_close', { id })
    assert.deepEqual(
      recorded.map(({ hosts }) => (hosts as { host: string }[]).map(({ host }) => host)),
      [['site.test', 'closed.test']],
    )
    await assert.rejects(call('shell.online_write', { id, text: 'x' }), { code: 'not_found' })
    assert.equal((await call('shell.session_list', {})).text, 'No session is open and no job is running.')
  })

  it("is a job, whose output is read like any other's", async () => {
    const { output, text } = await call('shell.online_background', { command: `curl -sS ${site()}/; sleep 60`, wait_s: 1 })
    assert.match(text ?? '', /^net-job-\S+: still running.*\nnetwork:\n {2}reached site\.test/)
    assert.equal((await call('shell.session_read', { id: output.id, from: 0 })).output.text, siteText)
    assert.equal((await call('shell.session_signal', { id: output.id, signal: 'SIGKILL' })).ok, true)
    await call('shell.session_close', { id: output.id })
  })
})
