/**
 * Hearing and speaking by programs of the person, in a sandbox of their own: no network, no file of the workspace, a `/tmp` that nobody else
 * sees and that ends with them. Audio goes in and comes out by their streams. `ffmpeg` converts there: files of others reach no decoder outside.
 */
import { ownValue, OxbowError, truncate } from '../../base/index.ts'
import type { Sandbox, ServerProcess, Voice } from '../../protocol/index.ts'
import type { SettingsOf } from '../../config/index.ts'
import type { voiceConfig } from './config.ts'
import { maxAudioSeconds, maxProgramBytes, maxProgramErrorChars, maxTranscriptChars } from './limits.ts'

type LocalPrograms = SettingsOf<typeof voiceConfig>['local']

const [audioFile, textFile] = ['/tmp/audio.wav', '/tmp/text.txt']
/** Ends what a script writes, with the status of its program: not every tier tells how a program has ended. */
const endMark = '\x1e'

const ffmpeg = 'ffmpeg -nostdin -hide_banner -loglevel error -protocol_whitelist file,pipe'
/** A second more than is allowed, so that more is noticed. */
const convertIn = `${ffmpeg} -t ${maxAudioSeconds + 1} -i /tmp/given -vn -ac 1 -ar 16000 -f wav -y ${audioFile}`
const missing = 'command -v ffmpeg >/dev/null || { printf "\\03690"; exit; }'

/** `$@` is the program; a status from 90 on is one of these scripts. */
const hearing = `cat >/tmp/given; ${missing}; ${convertIn} </dev/null || { printf "\\03691"; exit; }
"$@" <${audioFile}; printf "\\036%s" "$?"`

const codecs = { ogg: '-c:a libopus -b:a 32k -f ogg', mp3: '-f mp3', wav: '-f wav' } as const

const speaking = (format: keyof typeof codecs, writesFile: boolean): string =>
  `cat >${textFile}; ${missing}; "$@" <${textFile} ${writesFile ? '>&2' : `>${audioFile}`} || { printf "\\036%s" "$?"; exit; }
${ffmpeg} -i ${audioFile} -vn ${codecs[format]} -y /tmp/spoken </dev/null || { printf "\\03692"; exit; }
cat /tmp/spoken; printf "\\0360"`

/** @param voice empty: the usual one @throws OxbowError `bad_config` for programs that are not named */
export function localVoice(
  { serve }: Pick<Sandbox, 'serve'>,
  programs: LocalPrograms,
  { voice = '', language = '' }: { readonly voice?: string; readonly language?: string },
): Voice {
  const run = async (script: string, command: readonly string[], given: Uint8Array, signal: AbortSignal): Promise<Buffer> => {
    if (serve === undefined)
      throw new OxbowError('sandbox_missing', 'This sandbox cannot run programs that hear or speak.', {
        hint: 'Set a model of a service as voice.transcribe and voice.speak, or another sandbox.tier.',
      })
    const args = ['-c', script, 'sh', ...command]
    const process = await serve({ command: '/bin/sh', args, env: {}, programFolder: programs.folder, folders: [], pass: null })
    return outputOf(process, command[0]!, given, signal)
  }
  const filled = (key: 'transcribe' | 'speak', values: Readonly<Record<string, string>>): readonly string[] => {
    if (programs[key].length === 0)
      throw new OxbowError('bad_config', `voice.${key} is "local", and voice.local.${key} names no program.`, {
        hint: 'docs/channels/voice.md has examples.',
      })
    return programs[key].map((part) => part.replaceAll(/\{(\w+)\}/g, (whole, name: string) => ownValue(values, name) ?? whole))
  }
  return {
    async transcribe(audio, wanted, signal) {
      const command = filled('transcribe', { audio: audioFile, language: wanted.language ?? language })
      const heard = await run(hearing, command, audio, signal)
      return { text: truncate(heard.toString().trim(), maxTranscriptChars), seconds: null }
    },
    async speak(text, { format, voice: wanted = voice }, signal) {
      const command = filled('speak', { text: textFile, audio: audioFile, voice: wanted })
      const writesFile = programs.speak.some((part) => part.includes('{audio}'))
      const spoken = await run(speaking(format, writesFile), command, Buffer.from(text), signal)
      if (spoken.length > 0) return spoken
      throw new OxbowError('tool_failed', `${command[0]} has produced no audio.`, {
        hint: 'Try it by hand: voice.local.speak in config.toml.',
      })
    },
  }
}

/** @returns what it has written @throws OxbowError with what the program says of its failure */
async function outputOf(process: ServerProcess, name: string, given: Uint8Array, signal: AbortSignal): Promise<Buffer> {
  const pieces: Buffer[] = []
  let bytes = 0
  let said = ''
  process.errors.on('data', (piece: Buffer) => {
    // Its end says why it has failed.
    said = (said + piece.toString()).slice(-maxProgramErrorChars)
  })
  const stop = (): void => void process.kill()
  signal.addEventListener('abort', stop, { once: true })
  try {
    // It may end before it has read all.
    process.input.on('error', () => {})
    process.input.end(Buffer.from(given))
    for await (const piece of process.output) {
      pieces.push(piece as Buffer)
      bytes += (piece as Buffer).length
      if (bytes > maxProgramBytes)
        throw new OxbowError('limit_reached', `${name} puts out more than ${maxProgramBytes} bytes.`, { hint: 'Use another program.' })
    }
    await process.exited
    signal.throwIfAborted()
  } finally {
    signal.removeEventListener('abort', stop)
    await process.kill()
  }
  const whole = Buffer.concat(pieces)
  const mark = whole.lastIndexOf(endMark)
  const status = mark < 0 ? '' : whole.toString('latin1', mark + 1)
  if (status === '0') return whole.subarray(0, mark)
  throw failed(name, status, said.replaceAll(/[\p{Cc}\p{Cf}]+/gu, ' ').trim())
}

function failed(name: string, status: string, said: string): OxbowError {
  const why = said === '' ? '' : `: ${said}`
  if (status === '90')
    return new OxbowError('bad_config', 'ffmpeg is missing: voice.local needs it.', {
      hint: 'Install it where the sandbox finds programs: apt-get install ffmpeg.',
    })
  if (status === '91')
    return new OxbowError('bad_input', 'The audio cannot be read: it is damaged, or of an unknown kind.', { hint: 'Record it again.' })
  if (status === '127')
    return new OxbowError('bad_config', `${name} is not in the sandbox.`, { hint: 'Install it, or correct voice.local in config.toml.' })
  const how = status === '' ? 'was ended' : status === '92' ? 'wrote no audio that ffmpeg can read' : `failed with ${status}`
  return new OxbowError('tool_failed', `${name} ${how}${why}.`, { hint: 'Try it by hand: [voice.local] in config.toml.' })
}
