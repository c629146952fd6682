/** Second part of package-main.ts, after the power was cut: all is back without anybody's help, and goes without a trace. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { allFiles, as, asCarol, carol, guestsOf, listBefore, must, sh, textOf, until, type User, users } from './inside-machine.ts'

const names = Object.keys(users) as User[]

test('guests are back, and journals verify', async () => {
  const status = (): string => sh('oxbow status --all').text
  await until(() => [...Object.values(users), carol.uid].every((uid) => guestsOf(uid).length === 1), status)
  await until(() => names.every((name) => sh(`oxbow status --user ${name} --json`).text.includes('"running"')), status)
  for (const name of names) {
    assert.match(must(as(name, 'oxbow audit verify')), /verifies/)
    assert.match(must(`cat /var/lib/oxbow/users/${name}/users/default/shared/mine.txt`), new RegExp(`^of ${name}`))
    assert.match(must(as(name, `oxbow run --model offline '2+2'`)), /= 4/)
  }
  assert.match(must(asCarol('oxbow audit verify')), /verifies/)
  assert.match(must(asCarol(`oxbow run --model offline '2+2'`)), /= 4/)
})

test('another version of the package starts the daemon anew, and guests come back', async () => {
  const pid = must('systemctl show --property=MainPID --value oxbow.service')
  must('DEBIAN_FRONTEND=noninteractive apt-get install --yes --reinstall /opt/rig/oxbow.deb')
  assert.notEqual(must('systemctl show --property=MainPID --value oxbow.service'), pid)
  await until(
    () => names.every((name) => sh(`oxbow status --user ${name} --json`).text.includes('"running"')),
    () => sh('oxbow status --all').text,
  )
})

test('without its package a person’s service rests, and purge leaves no file and no process of the machine’s', async () => {
  must('DEBIAN_FRONTEND=noninteractive apt-get remove --yes oxbow')
  for (const name of names) assert.deepEqual(guestsOf(users[name]), [])
  assert.notEqual(sh('systemctl is-active oxbow.service').exit, 0)
  assert.match(must('ls /var/lib/oxbow/users'), /ada/, 'only purge takes what users have')
  sh(asCarol('systemctl --user restart oxbow.service'))
  assert.match(must(asCarol('systemctl --user show --property=ActiveState --property=ConditionResult oxbow.service')), /inactive[^]*no/)
  must('DEBIAN_FRONTEND=noninteractive apt-get purge --yes oxbow')
  const before = new Set(textOf(listBefore).split('\n'))
  const added = allFiles().filter((path) => !before.has(path))
  assert.deepEqual(added, [])
  assert.match(must('ls /home/carol/.oxbow'), /users/, 'homes of persons are theirs')
})
