//! What Kafka Streams' counting topology does in the benchmark: one count a key, and every change of it put out.

use potok_sdk::{Batch, Description, Failure, NoConfig, Output, Processor, Record, Store, Task, store::Raw};

struct Count {
    counts: Store<Vec<u8>, u64, Raw>,
}

impl Processor for Count {
    type Config = NoConfig;

    fn describe() -> Description {
        potok_sdk::describe!()
            .input("in", "anything with a key")
            .output("out", "the count of each key")
            .store("counts")
    }
    fn open(_: NoConfig, _: Task) -> Result<Count, Failure> {
        Ok(Count { counts: Store::open("counts")? })
    }
    fn begin_batch(&mut self, batch: &Batch) -> Result<(), Failure> {
        Ok(self.counts.prefetch_keys(batch.keys())?)
    }
    fn process(&mut self, record: Record<'_>, out: &mut Output<'_>) -> Result<(), Failure> {
        let key = record.key().unwrap_or_default();
        let count = self.counts.update(key, |count| {
            *count += 1;
            *count
        })?;
        out.send(key, count.to_be_bytes());
        Ok(())
    }
}

potok_sdk::processor!(Count);
