import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { z } from 'zod'
import { createFakeSandbox, type FakeSandboxOptions } from '../sandbox/fake/fake-sandbox.ts'
import type { Call, CallContext, Done } from '../protocol/index.ts'
import { builtinCalls } from './index.ts'

const served = (...options: Parameters<typeof builtinCalls>) =>
  builtinCalls(...options).filter(({ unavailable }) => unavailable === undefined)
const everything = served({ files: true, shell: true, profiles: ['work', 'vault-read'] })

/** A workspace with its calls; inputs are parsed as the kernel does. */
function workspace(files: Record<string, string> = {}, options: FakeSandboxOptions = {}) {
  const map = new Map(Object.entries(files))
  const context = {
    signal: new AbortController().signal,
    clock: { now: () => Date.UTC(2026, 10, 21, 12, 0, 0), monotonicMs: () => 0 },
    sandbox: createFakeSandbox(map, options),
  } as unknown as CallContext
  const run = async (name: string, input: object, session = 'one'): Promise<Done<any>> => {
    const call = everything.find((each) => each.name === name)!
    const done = await call.run(call.input.parse(input), { ...context, caller: { ...context.caller, session: session as never } })
    call.output.parse(done.output)
    return done
  }
  return { run, files: map }
}

describe('every built-in call', () => {
  it('is offered only where the sandbox can serve it', () => {
    const names = (files: boolean, shell: boolean) => served({ files, shell }).map((call) => call.name)
    assert.deepEqual(names(false, false), ['time.now'])
    assert.ok(names(true, false).includes('file.read') && !names(true, false).includes('shell.exec'))
    assert.ok(names(true, true).includes('shell.exec'))
  })

  it('that the sandbox does not serve says what it needs, and why that is missing', () => {
    const whyNot = (name: string, sandbox: Parameters<typeof builtinCalls>[0]) =>
      builtinCalls(sandbox).find((call) => call.name === name)?.unavailable
    const problem = { code: 'sandbox_missing', message: 'No container: docker does not answer.', hint: 'Start docker.' } as const
    const off = { tier: 'none', files: false, shell: false, profiles: [], problem } as const
    assert.deepEqual(whyNot('shell.exec', off), {
      code: 'sandbox_missing',
      message: 'shell.exec needs the sandbox, which is off: No container: docker does not answer.',
      hint: 'Start docker.',
    })
    const lacking = { browser: { why: 'the tier micro_vm does not have', hint: 'Use another.' } }
    const machine = { tier: 'micro_vm', files: true, shell: true, profiles: ['work', 'online', 'vault-read'], lacking } as const
    assert.equal(whyNot('browser.open', machine)?.message, 'browser.open needs a browser, which the tier micro_vm does not have.')
    assert.equal(whyNot('browser.open', machine)?.hint, 'Use another.')
    assert.equal(whyNot('shell.exec', machine), undefined)
    const insecure = { tier: 'insecure', files: true, shell: false, profiles: ['work'] } as const
    assert.equal(whyNot('shell.exec', insecure)?.message, 'shell.exec needs commands, which --insecure turns off.')
    assert.equal(whyNot('vault.list', insecure)?.message, 'vault.list needs the vault, which --insecure turns off.')
    assert.equal(whyNot('file.read', insecure), undefined)
  })

  for (const call of everything) {
    it(`${call.name} has an example that fits, a strict input and a description of each field`, () => {
      call.input.parse(call.example)
      assert.equal(call.input.safeParse({ ...(call.example as object), surplus: 1 }).success, false)
      const schema = z.toJSONSchema(call.input, { io: 'input' }) as { properties?: Record<string, { description?: string }> }
      for (const [field, facts] of Object.entries(schema.properties ?? {})) assert.ok(facts.description, field)
      assert.match(call.summary, /^[A-Z].*\.$/)
    })
  }

  it('that writes files says which, in its input or in its result', () => {
    for (const call of everything.filter(({ files }) => files === 'writes')) {
      const fields = call.reaches?.kind === 'paths' ? call.reaches.fields : []
      const result = z.toJSONSchema(call.output, { unrepresentable: 'any' }) as { properties?: object }
      assert.ok(fields.length > 0 || Object.hasOwn(result.properties ?? {}, 'files'), call.name)
      for (const field of fields) assert.ok(Object.hasOwn(call.example as object, field), `${call.name} has no ${field}`)
    }
  })

  it('declares its tier, right, effect and labels', () => {
    const facts = (call: Call) => [call.name, call.tier, call.right, call.effect, call.labels.adds.join()].join(' ')
    assert.deepEqual(everything.map(facts), [
      'time.now read_only system.read none ',
      'file.read read_only file.read none untrusted',
      'file.bytes read_only file.read none untrusted',
      'file.list read_only file.read none untrusted',
      'file.search read_only file.read none untrusted',
      'file.write side_effecting file.write idempotent ',
      'file.edit side_effecting file.write once ',
      'file.patch side_effecting file.write once ',
      'file.move side_effecting file.write once ',
      'file.delete side_effecting file.write idempotent ',
      'file.download read_only file.read none untrusted,private',
      'file.upload side_effecting file.write idempotent ',
      'attachment.save side_effecting attachment.save once ',
      'media.send read_only media.send idempotent ',
      'vault.list read_only vault.list none private,untrusted',
      'vault.copy_to privileged vault.copy once private',
      'shell.exec privileged shell.run once untrusted',
      'exec.run privileged exec.run once untrusted',
      'shell.background privileged shell.run once untrusted',
      'shell.session_open privileged shell.run once untrusted',
      'shell.session_write privileged shell.run once untrusted',
      'shell.session_read read_only shell.run none untrusted',
      'shell.session_resize side_effecting shell.run idempotent untrusted',
      'shell.session_signal side_effecting shell.run once untrusted',
      'shell.session_close side_effecting shell.run once untrusted',
      'shell.session_list read_only shell.run none untrusted',
    ])
  })
})

describe('file calls', () => {
  it('resolve relative paths below /shared and answer with text for a model', async () => {
    const { run, files } = workspace()
    const { text, output } = await run('file.write', { path: 'a/b.txt', text: 'x\ny\n' })
    assert.equal(text, `Wrote 4 bytes to /shared/a/b.txt, a new file (hash ${output.hash}).`)
    assert.match(
      (await run('file.edit', { path: 'a/b.txt', find: 'y', replace: 'z', if_hash: output.hash })).text!,
      /^Replaced 1 occurrence in \/shared\/a\/b\.txt, at line 2 \(hash [0-9a-f]{12}\)\.$/,
    )
    assert.equal(files.get('/shared/a/b.txt'), 'x\nz\n')
    assert.equal((await run('file.list', { depth: 3 })).text, '/shared:\na/\na/b.txt  4 bytes')
    assert.equal((await run('file.search', { pattern: 'z' })).text, '/shared/a/b.txt:2: z')
    assert.match((await run('file.search', { pattern: 'q' })).text!, /^No match in 1 file under \/shared/)
    assert.equal((await run('file.delete', { path: 'a', recursive: true })).text, 'Deleted /shared/a (1 entry).')
    assert.equal((await run('file.delete', { path: 'a' })).text, '/shared/a does not exist: nothing to delete.')
    assert.equal((await run('file.list', {})).text, '/shared is empty.')
  })

  it('report that another session has changed a file since this one last read it, and refuse with if_hash', async () => {
    const { run, files } = workspace({ '/shared/f': 'a\n' })
    const { output, text } = await run('file.read', { path: 'f' })
    assert.match(text!, new RegExp(`\\[Hash ${output.hash}\\.\\]$`))
    assert.doesNotMatch((await run('file.edit', { path: 'f', find: 'a', replace: 'b' }, 'two')).text!, /Something else/)
    await assert.rejects(run('file.write', { path: 'f', text: 'mine', if_hash: output.hash }), /does not hold the content with hash/)
    assert.equal(files.get('/shared/f'), 'b\n')
    assert.match(
      (await run('file.write', { path: '/shared/f', text: 'mine\n' })).text!,
      /It had been changed by someone else since you last read it/,
    )
    assert.doesNotMatch((await run('file.write', { path: 'f', text: 'mine again\n' })).text!, /Something else/)
    const diff = '--- a/f\n+++ b/f\n@@ -1 +1 @@\n-mine again\n+theirs\n'
    assert.match((await run('file.patch', { diff }, 'two')).text!, /had been changed by someone else/)
    assert.match((await run('file.edit', { path: 'f', find: 'theirs', replace: 'x' })).text!, /had been changed by someone else/)
  })

  it('list a name with line ends or control characters as one quoted line, so that it cannot fake another entry', async () => {
    const { run, files } = workspace()
    files.set('/shared/a\nb.txt', 'z')
    files.set('/shared/c\u001b[31m\u0085.txt', 'z')
    files.set('/shared/ไทย d.txt', 'z')
    const lines = ['"a\\nb.txt"', '"c\\u001b[31m\\u0085.txt"', 'ไทย d.txt']
    assert.equal((await run('file.list', {})).text, ['/shared:', ...lines.map((name) => `${name}  1 byte`)].join('\n'))
    const found = (await run('file.search', { pattern: 'z' })).text
    assert.deepEqual(found?.split('\n'), ['"/shared/a\\nb.txt":1: z', '"/shared/c\\u001b[31m\\u0085.txt":1: z', '/shared/ไทย d.txt:1: z'])
  })

  it('quote a name that looks like a quoted one, so that the two differ', async () => {
    const { run, files } = workspace()
    files.set('/shared/a\nb', 'z')
    files.set('/shared/"a\\nb"', 'z')
    const lines = ((await run('file.list', {})).text ?? '').split('\n').slice(1)
    assert.deepEqual(lines.toSorted(), ['"\\"a\\\\nb\\""  1 byte', '"a\\nb"  1 byte'])
  })

  it('number the lines and name the start of the next page', async () => {
    const { run } = workspace({ '/shared/f': 'a\nb\nc\n', '/shared/empty': '' })
    const { hash } = (await run('file.read', { path: 'f' })).output
    assert.equal((await run('file.read', { path: 'f' })).text, `    1\ta\n    2\tb\n    3\tc\n\n[Hash ${hash}.]`)
    assert.equal(
      (await run('file.read', { path: 'f', from_line: 2, max_lines: 1 })).text,
      `    2\tb\n\n[Lines 2 to 2 of 3. Continue with from_line 3. Hash ${hash}.]`,
    )
    assert.equal((await run('file.read', { path: 'f', from_line: 7 })).text, '/shared/f has only 3 lines.')
    assert.equal((await run('file.read', { path: 'empty' })).text, '/shared/empty is empty (hash e3b0c44298fc).')
  })

  it('read a file of any size in pages that a model sees whole', async () => {
    const lines = Array.from({ length: 9_000 }, (_, i) => 'x'.repeat(i % 50))
    const { run } = workspace({ '/shared/big': lines.join('\n') })
    const got: string[] = []
    while (got.length < lines.length) {
      const { output, text } = await run('file.read', { path: 'big', from_line: got.length + 1, max_lines: 10_000 })
      assert.ok(Buffer.byteLength(text!) <= 16 * 1024)
      got.push(...output.text.split('\n'))
      assert.equal(output.lines + output.from_line - 1, got.length)
    }
    assert.deepEqual(got, lines)
  })

  it('say that a line which fills a page alone was truncated', async () => {
    const { run } = workspace({ '/shared/min.js': `${'y'.repeat(40_000)}\nend\n` })
    const { text } = await run('file.read', { path: 'min.js' })
    assert.ok(Buffer.byteLength(text!) <= 16 * 1024)
    assert.match(text!, /Line 1 is too long and was truncated[\s\S]*Continue with from_line 2/)
  })

  it('list and search in pages that a model sees whole', async () => {
    const { run } = workspace(
      Object.fromEntries(
        Array.from({ length: 1_500 }, (_, i) => [`/shared/a name of some length, as they are ${i}`, `needle ${'x'.repeat(i % 90)}`]),
      ),
    )
    for (const [name, input] of [
      ['file.list', {}],
      ['file.search', { pattern: 'needle' }],
      ['file.search', { pattern: 'needle', max_matches: 7 }],
    ] as const) {
      const seen = new Set<string>()
      let skip = 0
      for (let more = true; more && skip < 400;) {
        const { output, text } = await run(name, { ...input, skip })
        const found: { path: string }[] = output.entries ?? output.matches
        assert.ok(Buffer.byteLength(text!) <= 16 * 1024)
        assert.match(text!, new RegExp(`${skip + 1} to ${skip + found.length}. Continue with skip ${skip + found.length}`))
        for (const { path } of found) assert.ok(!seen.has(path) && seen.add(path))
        skip += found.length
        more = output.truncated
      }
      assert.equal(seen.size, skip)
    }
    assert.equal((await run('file.list', { skip: 1_500 })).text, '/shared has no more entries.')
    assert.equal((await run('file.search', { pattern: 'needle', skip: 1_500 })).text, 'No more matches under /shared.')
    assert.match((await run('file.list', { glob: '*.ts', depth: 3 })).text!, /^Nothing in \/shared matches \*\.ts/)
  })

  it('show the lines around a match as ripgrep does', async () => {
    const { run } = workspace({ '/shared/a': '1\nx2\n3\n4\nx5\n6\n7\n8\nx9\n', '/shared/b': 'x\n' })
    const { text } = await run('file.search', { pattern: 'x', context_lines: 1 })
    const a = ['-1- 1', ':2: x2', '-3- 3', '-4- 4', ':5: x5', '-6- 6'].map((line) => `/shared/a${line}`)
    assert.equal(text, [...a, '--', '/shared/a-8- 8', '/shared/a:9: x9', '--', '/shared/b:1: x'].join('\n'))
  })

  it('return a range of bytes as base64 and name the start of the next one', async () => {
    const { run } = workspace({ '/shared/f': 'hello', '/shared/empty': '' })
    assert.equal(
      (await run('file.bytes', { path: 'f', offset: 1, max_bytes: 3 })).text,
      'Bytes 1 to 3 of 5 in /shared/f, as base64:\nZWxs\n[Continue with offset 4.]',
    )
    assert.equal((await run('file.bytes', { path: 'f', offset: 5 })).text, '/shared/f has only 5 bytes.')
    assert.equal((await run('file.bytes', { path: 'empty' })).text, '/shared/empty is empty.')
    assert.equal((await run('file.bytes', { path: 'f' })).output.base64, 'aGVsbG8=')
    const page = workspace({ '/shared/f': 'x'.repeat(50_000) })
    assert.ok((await page.run('file.bytes', { path: 'f' })).text!.length < 16 * 1024)
  })

  it('move, and patch many files at once', async () => {
    const { run, files } = workspace({ '/shared/src/main.ts': "import { serve } from './serve.ts'\nconst port = 80\nserve(port)\n" })
    const example = everything.find((call) => call.name === 'file.patch')!.example as object
    assert.equal(
      (await run('file.patch', example)).text,
      'Changed /shared/src/main.ts (+1 -1, hash f6b6e47207f7).\nCreated /shared/CHANGES (+1 -0, hash cebb92e5597e).',
    )
    assert.match(files.get('/shared/src/main.ts')!, /8080/)
    assert.equal((await run('file.move', { from: 'src', to: '/tmp/old' })).text, 'Moved the folder /shared/src to /tmp/old.')
    assert.equal(
      (await run('file.move', { from: '/tmp/old/main.ts', to: 'CHANGES', overwrite: true })).text,
      'Moved the file /tmp/old/main.ts to /shared/CHANGES, replacing the existing file.',
    )
    assert.deepEqual([...files.keys()], ['/shared/CHANGES'])
  })
})

describe('shell.exec', () => {
  const answer = (output: object) => workspace({}, { run: () => Promise.resolve(output) })

  it('says first how the command ended, then shows stdout and stderr', async () => {
    const { run } = answer({ exitCode: 2, stdout: 'out\n', stderr: 'err\n' })
    const done = await run('shell.exec', { command: 'x' })
    assert.deepEqual([done.text, done.ok], ['exit code 2\nstdout:\nout\nstderr:\nerr', false])
  })

  it('is ok only at exit code 0', async () => {
    assert.deepEqual(
      await answer({ exitCode: 0 })
        .run('shell.exec', { command: 'x' })
        .then(({ text, ok }) => [text, ok]),
      ['exit code 0\n(no output)', true],
    )
    const killed = await answer({ exitCode: null, signal: 'SIGKILL' }).run('shell.exec', { command: 'x' })
    assert.deepEqual(
      [killed.ok, killed.text!.split('\n')[0]],
      [false, 'ended by signal SIGKILL: it may have used more memory than the sandbox has'],
    )
    const late = await answer({ exitCode: null, signal: 'SIGTERM', timedOut: true }).run('shell.exec', { command: 'x', timeout_s: 5 })
    assert.equal(late.ok, false)
    assert.match(late.text!, /^timed out after 5 s/)
  })

  it('refuses limits above what is allowed', () => {
    const { input } = everything.find((call) => call.name === 'shell.exec')!
    assert.equal(input.safeParse({ command: 'x', timeout_s: 601 }).success, false)
    assert.equal(input.safeParse({ command: '' }).success, false)
  })
})

describe('time.now', () => {
  it('returns the time of its clock, with the time zone', async () => {
    const { output, text } = await workspace().run('time.now', {})
    assert.equal(output.unix_ms, Date.UTC(2026, 10, 21, 12, 0, 0))
    assert.equal(Date.parse(output.local), output.unix_ms)
    assert.match(text!, /^(Friday|Saturday|Sunday), 2026-11-2\dT/)
  })
})
