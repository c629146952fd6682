/** What a person allows is what runs: files are exchanged between the question and the answer, in a real guest with real hands. */
import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type Guest, startGuest } from '../../src/guest/guest.ts'
import type { CallId, JsonObject } from '../../src/base/index.ts'
import { envelopeFor } from '../support/guest-process.ts'
import { startModel, type TestModel } from '../support/model.ts'
import { makeWorkspace } from '../support/workspace.ts'

interface Case {
  readonly does: string
  readonly call: { readonly name: string; readonly arguments: JsonObject }
  /** Before the question. */
  readonly begin: () => void | Promise<void>
  /** Between question and answer. */
  readonly exchange: () => void | Promise<void>
  /** What the question says has changed. */
  readonly says: RegExp
}

const workspace = makeWorkspace()
const shared = (path: string): string => join(workspace.root, 'shared', path)
const put = (path: string, text: string): void => {
  mkdirSync(join(shared(path), '..'), { recursive: true })
  writeFileSync(shared(path), text)
}
const shell = (command: string): Case['call'] => ({ name: 'shell_exec', arguments: { command } })
const mark = 'echo harmless >> /shared/ran.txt\n'
const evil = 'echo exchanged >> /shared/ran.txt\n'
const script = (path: string, command: string, says = new RegExp(path.replaceAll('.', '\\.'))): Omit<Case, 'does'> => ({
  call: shell(command),
  begin: () => {
    put(path, mark)
    chmodSync(shared(path), 0o755)
  },
  exchange: () => put(path, evil),
  says,
})

/** A running program that holds the file in its memory, dirty already, so that writing to it sets no new time. */
const mapping = (path: string): string => `import mmap, os, signal
file = os.open('${path}', os.O_RDWR | os.O_CREAT, 0o666)
os.write(file, b'echo harmless'.ljust(60))
os.fsync(file)
held = mmap.mmap(file, 60)
held[:] = b'echo harmless >> /shared/ran.txt'.ljust(60)
def exchange(*_):
    held[:] = b'echo exchanged >> /shared/ran.txt'.ljust(60)
    print('exchanged', flush=True)
signal.signal(signal.SIGUSR1, exchange)
print('ready', flush=True)
while True: signal.pause()
`

function mappedCase(path: string, holds: Case['call']): Case {
  let job = ''
  const until = async (said: string): Promise<void> => {
    for (let text = ''; !text.includes(said);) ({ text } = await guest.kernel.call('shell.session_read', { id: job, wait_s: 1 }))
  }
  return {
    does: `what a program that runs holds of ${path}`,
    call: holds,
    async begin() {
      put('hold.py', mapping(path))
      job = (await call('shell.background', { command: 'exec python3 hold.py', wait_s: 0 })).id
      await until('ready')
    },
    async exchange() {
      await call('shell.session_signal', { id: job, signal: 'SIGUSR1' })
      await until('exchanged')
      await call('shell.session_close', { id: job })
    },
    says: new RegExp(path.replaceAll('.', '\\.')),
  }
}

function folderCase(does: string, folderCall: Case['call'], exchange: () => void): Case {
  const begin = (): void => {
    rmSync(shared('old'), { recursive: true, force: true })
    put('old/deep/known.txt', 'known')
  }
  return { does, call: folderCall, begin, exchange, says: /\/shared\/old changed/ }
}

function targetCase(does: string, writing: Case['call']): Case {
  const begin = (): void => {
    rmSync(shared('plain.txt'), { force: true })
    put('ran.txt', '')
    writeFileSync(shared('plain.txt'), 'old')
  }
  const exchange = (): void => {
    rmSync(shared('plain.txt'))
    symlinkSync('ran.txt', shared('plain.txt'))
  }
  return { does: `the target of ${does}`, call: writing, begin, exchange, says: /plain\.txt/ }
}

const cases: readonly Case[] = [
  { does: 'a script in the folder that the command enters', ...script('sub/t.sh', 'cd sub && sh t.sh') },
  { does: 'a script that a variable names', ...script('v.sh', 'F=v.sh; sh $F') },
  { does: 'a script that a pattern names', ...script('wild.sh', 'sh w*.sh') },
  { does: 'a program on a path that the command sets', ...script('bin/zz', 'PATH=/shared/bin:$PATH zz') },
  {
    does: 'a script that a script runs',
    ...script('inner.sh', 'sh outer.sh'),
    begin: () => (put('inner.sh', mark), put('outer.sh', 'sh /shared/inner.sh\n')),
  },
  {
    does: 'a module that Python imports',
    call: shell('python3 -c "import part"'),
    begin: () => put('part.py', "open('/shared/ran.txt','a').write('harmless\\n')\n"),
    exchange: () => put('part.py', "open('/shared/ran.txt','a').write('exchanged\\n')\n"),
    says: /part\.py/,
  },
  { does: 'a package below node_modules', ...script('node_modules/.bin/tool', 'node_modules/.bin/to*') },
  { does: 'a hook of a repository', ...script('.git/hooks/pre-commit', 'sh .git/hooks/pre*') },
  {
    does: 'a file that was not there',
    ...script('late.sh', 'test ! -e late.sh || sh la*.sh'),
    begin: () => rmSync(shared('late.sh'), { force: true }),
  },
  {
    does: 'a link that leads elsewhere now',
    call: shell('cd sub && sh l*.sh'),
    begin: () => {
      put('sub/good.sh', mark)
      put('sub/bad.sh', evil)
      rmSync(shared('sub/link.sh'), { force: true })
      symlinkSync('good.sh', shared('sub/link.sh'))
    },
    exchange: () => {
      rmSync(shared('sub/link.sh'))
      symlinkSync('bad.sh', shared('sub/link.sh'))
    },
    says: /link\.sh/,
  },
  {
    does: 'a script in /tmp',
    call: shell('cd /tmp && sh x*.sh'),
    begin: () => writeFileSync(join(workspace.root, 'tmp/x.sh'), mark),
    exchange: () => writeFileSync(join(workspace.root, 'tmp/x.sh'), evil),
    says: /\/tmp\/x\.sh/,
  },
  {
    ...script('job.sh', ''),
    does: 'a script of a background job',
    call: { name: 'shell_background', arguments: { command: 'cd /shared; sh j*.sh' } },
  },
  targetCase('a file that is written', { name: 'file_write', arguments: { path: 'plain.txt', text: 'new text' } }),
  targetCase('an attachment that is saved', { name: 'attachment_save', arguments: { index: 0, path: 'plain.txt', overwrite: true } }),
  targetCase('a file that is copied out of the vault', {
    name: 'vault_copy_to',
    arguments: { source_path: '/vault/letter.txt', destination_path: '/shared/plain.txt', overwrite: true },
  }),
  ...['/shared/mapped.sh', '/tmp/mapped.sh', '/dev/shm/mapped.sh'].map((path) =>
    mappedCase(path, shell(`F=${path.slice(0, -3)}; sh $F.sh`)),
  ),
  folderCase('a file that came into a folder that is deleted', { name: 'file_delete', arguments: { path: 'old', recursive: true } }, () =>
    put('old/deep/new.txt', 'new'),
  ),
  folderCase('a file that changed in a folder that is deleted', { name: 'file_delete', arguments: { path: 'old', recursive: true } }, () =>
    put('old/deep/known.txt', 'changed'),
  ),
  folderCase('a file that came into a folder that is moved', { name: 'file_move', arguments: { from: 'old', to: 'moved' } }, () =>
    put('old/deep/new.txt', 'new'),
  ),
]

/** Those that run. */
const allowed = [
  { does: 'what is as it was', call: shell('sh k*.sh') },
  { does: 'while a log is written all the time', call: shell('sh k*.sh') },
]

let model: TestModel
let guest: Guest
before(async () => {
  model = await startModel({
    turns: [...cases, ...allowed].map(({ does, call }) => ({
      match: `Run ${does}.`,
      steps: [{ events: [{ tool_call: call }] }, { events: [{ text: 'Done.' }] }],
    })),
  })
  const approval = { calls: { 'file.write': 'ask', 'file.delete': 'ask', 'file.move': 'ask', 'attachment.save': 'ask' } }
  mkdirSync(join(workspace.root, 'vault'), { recursive: true })
  writeFileSync(join(workspace.root, 'vault/letter.txt'), 'a letter')
  guest = await startGuest(envelopeFor(workspace.root, { model: model.config, approval }))
})
after(async () => {
  await guest.close()
  await model[Symbol.asyncDispose]()
  workspace[Symbol.dispose]()
})

const call = async (name: string, input: JsonObject): Promise<any> => {
  const outcome = await guest.kernel.call(name, input)
  assert.ok(outcome.status === 'ok', JSON.stringify(outcome))
  return outcome.output
}

/** A turn that asks. @returns its questions as they come, and its end */
async function ask(text: string) {
  const { id: session } = await guest.kernel.createSession()
  const questions: { call: CallId; reason: string }[] = []
  const over = { is: false }
  let wake = (): void => {}
  const stop = await guest.kernel.follow(session, 0, (event) => {
    if (event.type !== 'record') return
    const { phase, name, call: id, body } = event.record
    if (phase === 'parked') questions.push({ call: id, reason: JSON.stringify((body as JsonObject)['reason']) })
    over.is ||= name === 'turn.send' && phase === 'outcome'
    wake()
  })
  const attachments = text.includes('attachment')
    ? [{ name: 'a.txt', media_type: 'text/plain', data: Buffer.from('attached').toString('base64') }]
    : []
  await guest.kernel.sendTurn({ session, clientId: crypto.randomUUID() as CallId, text, attachments })
  return {
    /** The nth question; null when the turn has ended before. */
    async question(nth: number) {
      while (questions.length < nth && !over.is) await new Promise<void>((resolve) => (wake = resolve))
      return questions[nth - 1] ?? null
    },
    stop,
  }
}

const ran = (): string => (existsSync(shared('ran.txt')) ? readFileSync(shared('ran.txt'), 'utf8') : '')

describe('what is exchanged between question and answer', () => {
  for (const { does, begin, exchange, says } of cases)
    it(`asks again: ${does}`, { timeout: 30_000 }, async () => {
      rmSync(shared('ran.txt'), { force: true })
      await begin()
      const turn = await ask(`Run ${does}.`)
      const first = await turn.question(1)
      assert.ok(first !== null, 'it did not ask')
      await exchange()
      await call('call.decide', { call: first.call, allow: true })
      const second = await turn.question(2)
      assert.ok(second !== null, `it ran: ${ran()}`)
      assert.equal(ran(), '')
      if (does.includes('folder that is')) assert.ok(existsSync(shared('old')))
      assert.match(second.reason, says)
      assert.match(second.reason, /after it was allowed/)
      await call('call.decide', { call: second.call, allow: false })
      turn.stop()
    })
})

describe('what was allowed', () => {
  it('runs where nothing has changed', { timeout: 30_000 }, async () => {
    rmSync(shared('ran.txt'), { force: true })
    put('keep.sh', mark)
    const turn = await ask('Run what is as it was.')
    await call('call.decide', { call: (await turn.question(1))!.call, allow: true })
    assert.equal(await turn.question(2), null)
    assert.equal(ran(), 'harmless\n')
    turn.stop()
  })

  it('runs while a file keeps changing, once the person has been told, and asks for any other', { timeout: 30_000 }, async () => {
    rmSync(shared('ran.txt'), { force: true })
    put('keep.sh', mark)
    put('server.log', '1')
    const turn = await ask('Run while a log is written all the time.')
    const answer = async (nth: number, reason: RegExp): Promise<void> => {
      const asked = await turn.question(nth)
      assert.match(asked!.reason, reason)
      put('server.log', `${nth} more`)
      if (nth === 3) put('keep.sh', evil)
      await call('call.decide', { call: asked!.call, allow: true })
    }
    await answer(1, /policy is to ask/)
    await answer(2, /server\.log changed after it was allowed/)
    await answer(3, /server\.log keeps changing; allowed now, it runs whatever that holds/)
    assert.equal(ran(), '')
    put('keep.sh', mark)
    await answer(4, /keep\.sh changed after it was allowed/)
    const fifth = await turn.question(5)
    if (fifth !== null) await call('call.decide', { call: fifth.call, allow: true })
    turn.stop()
  })
})
