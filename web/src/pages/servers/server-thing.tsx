/** One server of tools: what it can reach, what of it is approved, its log; approve, turn off, sign in, remove. */
import { KeyRound, Power } from 'lucide-react'
import type { ReactNode } from 'react'
import type { OutputOf } from '../../../../src/client/browser-client.ts'
import { plainText, removeServer } from '../../../../src/terminal/index.ts'
import { Link, navigate } from '../../app/router.tsx'
import { useAction } from '../../data/calls.ts'
import { DeedButton } from '../../shelf/deed-button.tsx'
import { useSay } from '../../shelf/said.tsx'
import type { Entry } from '../../shelf/shelf.tsx'
import { ToldLabels } from '../../shelf/told-labels.tsx'
import { Codes, PlainFile, Thing } from '../../shelf/thing.tsx'
import { Button } from '../../ui/button.tsx'
import { Facts } from '../../ui/layout.tsx'
import { plural } from '../../ui/numbers.ts'
import { NoticeBar, ProblemLine } from '../../ui/states.tsx'
import { beginLogin, loginCommand } from './server-login.tsx'
import { ReviewServer } from './server-review.tsx'

export type Server = OutputOf<'server.list'>['servers'][number]

export function ServerThing({ shown, refresh }: { readonly shown: Server; readonly refresh: () => void }): ReactNode {
  const { server, from, settings, enabled, approved, quarantined, log } = shown
  const { run, isBusy, failure } = useAction()
  const say = useSay()
  const turn = async (): Promise<void> => {
    if ((await run('server.switch', { server, enabled: !enabled })) === undefined) return
    say(enabled ? `${server} is off; its tools are not offered.` : `${server} is on.`)
    refresh()
  }
  const signIn = async (): Promise<void> => {
    const said = await beginLogin(server, run)
    if (said !== undefined) say(said)
  }
  const isConfigured = from === 'config.toml'
  return (
    <Thing
      title={server}
      state={stateOf(shown)}
      why={whyOf(shown)}
      actions={
        <>
          <ReviewServer server={server} isPrimary={approved === 0 || quarantined.length > 0} onDone={refresh} />
          <Button size="s" icon={<Power />} isBusy={isBusy} onClick={() => void turn()}>
            {enabled ? 'Turn off' : 'Turn on'}
          </Button>
          {settings.url !== '' && loginCommand(server) === null && (
            <Button size="s" icon={<KeyRound />} isBusy={isBusy} onClick={() => void signIn()}>
              Sign in
            </Button>
          )}
          <DeedButton
            deed={removeServer(server, isConfigured)}
            verb={isConfigured ? 'Take back the approval' : 'Remove'}
            act={async (make) => {
              const removed = await make('server.remove', { server })
              // What was installed from npm for it.
              return removed?.removed === true && settings.lock !== '' ? make('server.uninstall', { server }) : removed
            }}
            onDone={() => {
              if (!isConfigured) navigate('/servers')
              refresh()
            }}
          />
        </>
      }
    >
      <ProblemLine failure={failure} />
      {quarantined.length > 0 && (
        <NoticeBar tone="warn">
          The server describes these tools differently now, so they are not offered: {quarantined.join(', ')}.
        </NoticeBar>
      )}
      {settings.url !== '' && loginCommand(server) !== null && (
        <p className="soft small">
          To sign in: <code>{loginCommand(server)}</code>
        </p>
      )}
      <ToldLabels
        program={`server:${server}`}
        until={settings.allow.length === 0 ? 'until you turn it off' : 'until you remove it: it may keep what it was told at its hosts'}
      />
      <About shown={shown} />
      {log !== '' && <PlainFile name="The end of its log" text={plainText(log.trimEnd())} />}
    </Thing>
  )
}

function About({ shown: { server, from, what, settings } }: { readonly shown: Server }): ReactNode {
  return (
    <Facts
      facts={[
        [settings.url === '' ? 'Runs' : 'Reached at', <code key="what">{plainText(what)}</code>],
        ['Added', from === 'config.toml' ? 'in config.toml' : 'with oxbow servers, or here'],
        ['Sees', <Codes key="folders" of={settings.folders} none="no files" />],
        ['Reaches', <Codes key="allow" of={settings.allow} none={settings.url === '' ? 'no network' : 'only its own address'} />],
        ['Variables', <Codes key="env" of={pairs(settings.env)} none="none" />],
        ...(settings.url === '' ? [] : ([['Headers', <Codes key="headers" of={pairs(settings.headers)} none="none" />]] as const)),
        [
          'May ask models',
          settings.sampling_tokens === 0
            ? 'no'
            : `up to ${settings.sampling_tokens.toLocaleString('en')} tokens a day; each question asks you`,
        ],
        [
          'Agents need the right',
          <>
            <code key="right">mcp.{server}</code> (<Link to="/settings">agent.rights</Link>)
          </>,
        ],
      ]}
    />
  )
}

/** Values are shown only where they name a secret. */
function pairs(values: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries(values).map(([name, value]) => (value === '' ? `${name}=…` : `${name}=${value}`))
}

function whyOf({ enabled, approved, quarantined }: Server): string {
  if (!enabled) return 'It is turned off: it does not run, and its tools are not offered.'
  if (quarantined.length > 0) return 'What has changed since you approved it waits until you look at it again.'
  return approved === 0 ? 'Nothing of it is approved yet, so agents do not see it.' : ''
}

export function stateOf({ enabled, running, approved, quarantined }: Server): Entry['state'] {
  if (!enabled) return ['off', 'neutral']
  if (quarantined.length > 0) return [`${quarantined.length} changed`, 'warn']
  if (approved === 0) return ['waits for you', 'warn']
  return [running ? 'running' : plural(approved, 'tool'), 'good']
}
