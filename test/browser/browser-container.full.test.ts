/** The browser in a container: Chromium from the image, behind the same proxy and policies as in the process tier. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { testImage, withoutContainers } from '../../src/sandbox/container/container-fixture.ts'
import { keepHands } from '../../src/sandbox/keep-hands.ts'
import type { SandboxStatus } from '../../src/protocol/index.ts'
import { noBrowser, openBrowserBench, refOf } from './browser-bench.ts'
import type { BrowserBench } from './browser-bench.ts'

async function imageWithBrowser(): Promise<string> {
  return (await testImage('podman', undefined, ['browser'])).image
}

const page = `<title>Oxen</title><h1>Oxen</h1><label>Name <input id="n"></label><button onclick="document.title = n.value">Go</button>
<a href="/list.csv" download>list</a>`

describe('a browser in a container', { skip: noBrowser || withoutContainers() }, () => {
  let bench: BrowserBench
  before(
    async () => {
      const image = await imageWithBrowser()
      const site: Parameters<typeof openBrowserBench>[0] = (request, response) => {
        if (request.url === '/list.csv')
          response.writeHead(200, { 'content-type': 'text/csv', 'content-disposition': 'attachment' }).end('ox,1\n')
        else response.writeHead(200, { 'content-type': 'text/html' }).end(page)
      }
      bench = await openBrowserBench(site, undefined, { tier: 'container', container: { engine: 'podman', kernel: 'runc', image } })
    },
    { timeout: 240_000 },
  )
  after(() => bench.close())

  it('is offered by an image that has one', () => {
    assert.deepEqual(bench.workbench.sandbox.status.profiles, ['work', 'online', 'browser', 'vault-read'])
  })

  it('opens pages, acts in them, and shows what it sees', async () => {
    const { title, text } = await bench.open('/')
    assert.equal(title, 'Oxen')
    assert.match(text, /heading "Oxen"/)
    await bench.call('browser.type', { ref: refOf(await bench.snapshot(), 'textbox "Name"'), text: 'Bull' })
    assert.equal((await bench.click('button "Go"')).title, 'Bull')
    const { files, output } = await bench.call('browser.screenshot', {})
    assert.deepEqual([files?.[0]?.media_type, output.width, output.height], ['image/png', 1280, 800])
    assert.ok(existsSync(`${bench.workbench.root}${output.path}`), 'the picture stands in /tmp, for other tools too')
  })

  it('brings downloads to /tmp', async () => {
    await bench.open('/')
    await bench.click('link "list"')
    const { output } = await bench.call('browser.download', { wait_s: 20 })
    const { path } = (output as { downloads: { path: string }[] }).downloads.at(-1)!
    assert.equal(await readFile(`${bench.workbench.root}${path}`, 'utf8'), 'ox,1\n')
  })

  it('opens no files, no addresses that the rules close, and has no way past the proxy', async () => {
    for (const url of ['file:///etc/passwd', 'chrome://version/', 'http://10.0.0.1/', 'http://169.254.169.254/']) {
      const said = await bench.call('browser.open', { url }).then(
        ({ output }) => `${output.status} ${output.text}`,
        (error: unknown) => String(error),
      )
      assert.doesNotMatch(said, /root:|Revision|latest/, url)
      assert.match(said, /403|may not be reached|Only http|not be opened|does not open|blocked/i, url)
    }
    assert.ok(
      bench.looked.every((host) => host.endsWith('.test')),
      bench.looked.join(' '),
    )
  })

  it('sees nothing of /shared, and other profiles nothing of its cookies', async () => {
    const ask = async (profile: 'work' | 'browser', path: string) => {
      const hands = await bench.workbench.sandbox.hands(profile)
      return hands.ask('stat', { path }, { signal: new AbortController().signal, timeoutMs: 20_000 }).then(
        ({ kind }) => kind,
        (error: { code?: string }) => error.code,
      )
    }
    await writeFile(join(bench.workbench.root, 'shared/secret'), 'hunter2')
    assert.equal(await ask('browser', '/shared/secret'), 'missing')
    assert.equal(await ask('work', '/shared/secret'), 'file')
    const hands = await bench.workbench.sandbox.hands('work')
    const input = { command: 'ls -d /profiles', cwd: '/tmp', stdin: '', timeoutMs: 10_000, maxOutputBytes: 1_000 }
    const { exitCode } = await hands.ask('exec', input, { signal: new AbortController().signal, timeoutMs: 20_000 })
    assert.notEqual(exitCode, 0)
  })
})

describe('a profile that a tier has not', () => {
  it('is refused with what to do about it', async () => {
    const hint = async (lacking: SandboxStatus['lacking'], profile: 'online' | 'browser'): Promise<string> => {
      const status: SandboxStatus = {
        asked: 'process',
        tier: 'container',
        provider: 'x',
        files: true,
        shell: true,
        profiles: ['work'],
        problem: null,
        limits: [],
        degraded: [],
        ...(lacking !== undefined && { lacking }),
      }
      const sandbox = keepHands(status, { start: () => Promise.reject(new Error('not now')), close: async () => {} }, () => undefined)
      return sandbox.hands(profile).then(
        () => assert.fail('it was offered'),
        (error: { hint: string }) => error.hint,
      )
    }
    const lacking = { browser: { why: 'the image does not have', hint: 'Build one with a browser.' } }
    assert.equal(await hint(lacking, 'browser'), 'Build one with a browser.')
    assert.match(await hint(lacking, 'online'), /oxbow doctor/)
    assert.match(await hint(undefined, 'browser'), /oxbow doctor/)
  })
})
