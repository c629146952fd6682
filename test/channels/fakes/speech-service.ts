/** A service that is compatible with OpenAI's endpoints of audio, on loopback: it holds to their reference, and counts. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { oggOf } from './audio.ts'

export interface SpeechService extends AsyncDisposable {
  readonly baseUrl: string
  /** Names of the files that it was sent, as it was told. */
  readonly heard: readonly { readonly name: string; readonly bytes: number; readonly language: string; readonly key: string }[]
  readonly spoken: readonly string[]
  /** What it hears from now on, in audio of so many bytes. */
  hears(text: string | ((bytes: number) => string)): void
  /** How it answers from now on: as it should, with that status, or never. */
  answers(how: 'well' | 'silent' | number): void
}

const models: ReadonlySet<string> = new Set(['hear-1', 'speak-1'])

export async function startSpeechService(): Promise<SpeechService> {
  let words: string | ((bytes: number) => string) = 'what time is it'
  let how: 'well' | 'silent' | number = 'well'
  const heard: { name: string; bytes: number; language: string; key: string }[] = []
  const spoken: string[] = []
  const server = createServer((request, response) => {
    const pieces: Buffer[] = []
    request.on('data', (piece: Buffer) => void pieces.push(piece))
    request.on('end', () => {
      const reply = (status: number, type: string, body: string | Uint8Array): void => {
        response.writeHead(status, { 'content-type': type })
        response.end(body)
      }
      const refuse = (status: number, message: string): void => reply(status, 'application/json', JSON.stringify({ error: { message } }))
      const answer = async (): Promise<void> => {
        const body = Buffer.concat(pieces)
        if (request.url === '/v1/audio/speech') {
          const asked = JSON.parse(body.toString()) as { model: string; input: string; voice: string; response_format: string }
          spoken.push(asked.input)
          if (how === 'silent') return
          if (how !== 'well') return refuse(how, 'out of order')
          if (!models.has(asked.model) || asked.input.length > 4_096 || asked.voice === '') return refuse(400, 'bad request')
          return reply(200, 'audio/ogg', oggOf(2))
        }
        if (request.url !== '/v1/audio/transcriptions') return refuse(404, 'not found')
        const form = await new Response(new Uint8Array(body), {
          headers: { 'content-type': request.headers['content-type'] ?? '' },
        }).formData()
        const file = form.get('file')
        const field = (name: string): string => {
          const value = form.get(name)
          return typeof value === 'string' ? value : ''
        }
        if (!(file instanceof File) || !models.has(field('model'))) return refuse(400, 'bad request')
        heard.push({ name: file.name, bytes: file.size, language: field('language'), key: request.headers.authorization ?? '' })
        if (how === 'silent') return
        if (how !== 'well') return refuse(how, 'out of order')
        reply(200, 'application/json', JSON.stringify({ text: typeof words === 'string' ? words : words(file.size) }))
      }
      void answer().catch(() => refuse(400, 'bad form'))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    heard,
    spoken,
    hears: (text) => void (words = text),
    answers: (next) => void (how = next),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
