/**
 * The whole life of a person in a small service, on a PostgreSQL of its own: declared, sealed, found, forgotten on time, and
 * looked for on the disk afterwards. Run it with `npm run demo`; it ends with 1 when a promise was broken.
 */
import { endHerService, sixMonthsLater } from './demo/forgetting';
import { declareWhatIsPersonal, letPeopleIn, makeKeys, seeBothSides } from './demo/protecting';
import { releaseCanary, searchTheDisk } from './demo/searching-the-disk';
import { type Setting, setUp } from './demo/setting';
import { Stage } from './demo/stage';
import { takeDataAlong } from './demo/taking-along';
import { findByEmail, refusePlaintext, truncateAddresses } from './demo/using';

async function play(stage: Stage, setting: Setting): Promise<void> {
  await declareWhatIsPersonal(stage, setting);
  const oubli = await makeKeys(stage, setting);
  try {
    await releaseCanary(setting);
    const { her, another } = await letPeopleIn(stage, oubli);
    await seeBothSides(stage, setting, oubli, her);
    await findByEmail(stage, setting, oubli, her);
    await truncateAddresses(stage, setting, oubli, her);
    await refusePlaintext(stage, setting, her);
    await endHerService(stage, oubli, her);
    await sixMonthsLater(stage, setting, oubli, her);
    await takeDataAlong(stage, oubli, another);
    await searchTheDisk(stage, setting, her);
  } finally {
    await oubli.close();
  }
}

async function main(): Promise<void> {
  const stage = new Stage(process.stdout);
  stage.title('oubli', 'personal data that knows when to leave');
  const setting = await setUp();
  try {
    await play(stage, setting);
  } finally {
    await setting.strike();
  }
  if (!stage.summary()) process.exitCode = 1;
}

void main();
