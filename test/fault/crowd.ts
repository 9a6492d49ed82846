/** The crowd of bad clients as the harness holds it: a process that is begun and ended. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { CrowdPlan, CrowdReport } from './bad-client-program.js';

const PROGRAM = fileURLToPath(new URL('./bad-client-program.js', import.meta.url));

export class BadCrowd {
  private readonly child: ChildProcess;

  /** `tlsPort`: where TLS is spoken from the first byte, for the kinds that want it. */
  constructor(port: number, tlsPort = 0) {
    this.child = fork(PROGRAM, [String(port), String(tlsPort)], { stdio: 'inherit', execArgv: [] });
  }

  begin(plan: CrowdPlan): void {
    this.child.send({ begin: plan });
  }

  /** Ends all of them and the process. */
  async end(): Promise<CrowdReport> {
    const report = await new Promise<CrowdReport>((resolve) => {
      this.child.once('message', (message) => resolve(message as CrowdReport));
      this.child.once('exit', () => resolve({}));
      this.child.send({ end: true });
    });
    this.kill();
    return report;
  }

  kill(): void {
    this.child.kill('SIGKILL');
  }
}

/** `drip 40/12 vanish 5/5`: begun and ended by the engine, for a report. */
export function describeCrowd(report: CrowdReport): string {
  return Object.entries(report)
    .map(([kind, { begun, ended }]) => `${kind}:${begun}/${ended}`)
    .join(',');
}
