/** A package from an https address: a real server with a certificate of an authority made here, which only the process that names it trusts. */
import assert from 'node:assert/strict'
import { execFile, execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'

/** Makes an authority and a certificate of it for this machine. */
function makeCertificates(folder: string): { readonly ca: string; readonly key: Buffer; readonly cert: Buffer } {
  const openssl = (...args: readonly string[]): void => void execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' })
  const fresh = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  openssl('req', '-x509', ...fresh, '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2', '-subj', '/CN=Test authority')
  openssl('req', ...fresh, '-keyout', 'own.key', '-out', 'own.csr', '-subj', '/CN=localhost')
  writeFileSync(join(folder, 'names'), 'subjectAltName=DNS:localhost,IP:127.0.0.1\n')
  openssl(
    'x509',
    '-req',
    '-in',
    'own.csr',
    '-CA',
    'ca.pem',
    '-CAkey',
    'ca.key',
    '-CAcreateserial',
    '-out',
    'own.pem',
    '-days',
    '2',
    '-extfile',
    'names',
  )
  return { ca: join(folder, 'ca.pem'), key: readFileSync(join(folder, 'own.key')), cert: readFileSync(join(folder, 'own.pem')) }
}

const hasOpenssl = (): boolean => {
  try {
    return execFileSync('openssl', ['version'], { stdio: 'pipe' }).length > 0
  } catch {
    return false
  }
}

test('an archive comes from an https address with its hash, from a server whose certificate is trusted', async (t) => {
  if (!hasOpenssl()) return t.skip('openssl is missing: apt install openssl')
  const folder = mkdtempSync(join(tmpdir(), 'oxbow-https-'))
  const { ca, key, cert } = makeCertificates(folder)
  mkdirSync(join(folder, 'tidy'))
  writeFileSync(join(folder, 'tidy', 'program.toml'), '[program]\nname = "tidy"\n')
  execFileSync('tar', ['-czf', 'tidy.tgz', 'tidy'], { cwd: folder })
  const archive = readFileSync(join(folder, 'tidy.tgz'))
  const sha256 = createHash('sha256').update(archive).digest('hex')
  const server = createServer({ key, cert }, (request, response) => {
    response.writeHead(request.url === '/tidy.tgz' ? 200 : 404).end(request.url === '/tidy.tgz' ? archive : '')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const at = `https://localhost:${(server.address() as AddressInfo).port}`
  let tries = 0
  /** In a process of its own, since that reads its authorities once. @returns what it says, and the file that it has fetched */
  const fetched = (from: string, env: object): Promise<string> => {
    const staging = join(folder, `staging-${(tries += 1)}`)
    const module = pathToFileURL(join(import.meta.dirname, 'fetch-program.ts')).href
    const script = `import { fetchProgram } from ${JSON.stringify(module)}
      import { mkdirSync, readFileSync } from 'node:fs'
      mkdirSync(${JSON.stringify(staging)})
      try {
        const source = await fetchProgram(${JSON.stringify(from)}, ${JSON.stringify(staging)}, process.env)
        console.log(JSON.stringify(source), readFileSync(${JSON.stringify(join(staging, 'program.toml'))}, 'utf8'))
      } catch (error) { console.log(error.code + ': ' + error.message) }`
    return new Promise((resolve, reject) =>
      execFile(process.execPath, ['--input-type=module', '-e', script], { env: { PATH: process.env['PATH'], ...env } }, (error, said) =>
        error === null ? resolve(said) : reject(error),
      ),
    )
  }
  const trusted = { NODE_EXTRA_CA_CERTS: ca }
  try {
    assert.match(await fetched(`${at}/tidy.tgz#sha256=${sha256}`, trusted), new RegExp(`"from":"archive".*${sha256}.*name = "tidy"`, 's'))
    assert.match(
      await fetched(`${at}/tidy.tgz#sha256=${sha256}`, {}),
      /^tool_failed: https:\/\/localhost:\d+ did not send the archive: its certificate is not trusted/,
    )
    assert.match(await fetched(`${at}/tidy.tgz#sha256=${'0'.repeat(64)}`, trusted), /^denied: .*is not the archive with that hash/)
    assert.match(await fetched(`${at}/tidy.tgz`, trusted), /^bad_input: An archive needs the hash/)
    for (const place of [`${at}/tidy.tgz`, join(folder, 'tidy.tgz')])
      assert.match(await fetched(`${place}#sha256=HASH`, trusted), /^bad_input: "HASH" is no SHA-256/)
    assert.match(await fetched(`${at}/none.tgz#sha256=${sha256}`, trusted), /^tool_failed: .*it answers 404/)
  } finally {
    server.close()
    rmSync(folder, { recursive: true })
  }
})
