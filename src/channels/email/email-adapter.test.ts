import { after, before, describe, test } from 'node:test'
import { describeChannelContract } from '../channel-contract.ts'
import { resolveKeys, startEmailFake } from '../../../test/channels/fakes/email.ts'
import { type MailServers, noMailServers, startMailServers } from '../../../test/channels/fakes/mail-servers.ts'
import { emailBy } from './email-adapter.ts'

if (noMailServers !== '' && process.env['CI'] === undefined) {
  void test('e-mail against dovecot and postfix', { skip: noMailServers })
} else {
  void describe('against dovecot and postfix', () => {
    let servers: MailServers
    before(async () => {
      servers = await startMailServers()
    })
    after(() => servers.stop())
    describeChannelContract('email', async () => ({ fake: await startEmailFake(servers), open: emailBy(resolveKeys) }))
  })
}
