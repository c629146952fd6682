/** Between a client and a server of SMTP: it keeps what the server has taken, and makes the faults that networks and busy servers make. */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

export interface SmtpFaults {
  readonly port: number
  /** What the server has taken, oldest first. */
  readonly taken: readonly { readonly mail: string; readonly recipients: readonly string[] }[]
  /** The next mail is put off for so long. */
  throttle(seconds: number): void
  /** The next mail is taken, and the connection ends before that is said. */
  loseAnswer(): void
  /** The next connection ends at once. */
  refuseConnection(): void
  close(): Promise<void>
}

interface State {
  readonly taken: { readonly mail: string; readonly recipients: readonly string[] }[]
  throttleS: number
  losesAnswer: boolean
  refusesConnection: boolean
}

export async function startSmtpFaults(serverPort: number): Promise<SmtpFaults> {
  const state: State = { taken: [], throttleS: 0, losesAnswer: false, refusesConnection: false }
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    sockets.add(client)
    client.once('close', () => sockets.delete(client)).on('error', () => client.destroy())
    if (state.refusesConnection) {
      state.refusesConnection = false
      client.destroy()
      return
    }
    pass(state, client, connect(serverPort, '127.0.0.1'))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    taken: state.taken,
    throttle(seconds) {
      state.throttleS = seconds
    },
    loseAnswer() {
      state.losesAnswer = true
    },
    refuseConnection() {
      state.refusesConnection = true
    },
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** Of a mail. */
const ending = '\r\n.\r\n'

function pass(state: State, client: Socket, server: Socket): void {
  let [isData, mail, waits] = [false, '', '']
  let recipients: string[] = []
  client.setEncoding('latin1')
  server.on('error', () => client.destroy()).once('close', () => client.destroy())
  // Of a mail that is whole the server still says whether it has taken it: that counts, whoever has sent it.
  client.once('close', () => !mail.endsWith(ending) && server.destroy())
  const say = (line: string): void => void server.write(line, 'latin1')
  const line = (text: string): void => {
    if (isData) {
      mail += text
      if (text === '.\r\n') isData = false
      return say(text)
    }
    if (/^MAIL FROM/i.test(text) && state.throttleS > 0) {
      client.write(`450 4.7.1 Too many mails: try again in ${state.throttleS} seconds\r\n`)
      state.throttleS = 0
      return
    }
    const [, recipient] = /^RCPT TO:\s*<([^>]*)>/i.exec(text) ?? []
    if (recipient !== undefined) recipients.push(recipient)
    if (/^MAIL FROM/i.test(text)) recipients = []
    if (/^DATA/i.test(text)) [isData, mail] = [true, '']
    say(text)
  }
  client.on('data', (piece: string) => {
    waits += piece
    for (let end = waits.indexOf('\n'); end !== -1; end = waits.indexOf('\n')) {
      line(waits.slice(0, end + 1))
      waits = waits.slice(end + 1)
    }
  })
  server.on('data', (answer: Buffer) => {
    const isTaken = mail.endsWith(ending) && /^250 /m.test(answer.toString('latin1'))
    if (client.destroyed) server.destroy()
    if (!isTaken) {
      client.write(answer)
      return
    }
    state.taken.push({ mail: Buffer.from(mail.slice(0, -3), 'latin1').toString().replaceAll('\r\n..', '\r\n.'), recipients })
    mail = ''
    if (state.losesAnswer) client.destroy()
    else client.write(answer)
    state.losesAnswer = false
  })
}
