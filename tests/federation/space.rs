//! A disk that fills up or turns read-only: nothing is accepted that could not be kept, and all of it is said.

use super::mounted::Mounted;
use super::site::Site;
use sluss::model::Status;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// A small file system of its own, and where it is.
struct Disk(Mounted, tempfile::TempDir);

impl Disk {
    /// None where this user may not mount.
    fn mounted(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        Mounted::of_size(folder.path(), size).map(|mounted| Self(mounted, folder))
    }

    /// The same as ext4, which can be made to fail.
    fn that_can_fail(bytes: u64) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let image = tempfile::NamedTempFile::new().unwrap();
        image.as_file().set_len(bytes).unwrap();
        let made = Command::new("mkfs.ext4").args(["-q", "-F"]).arg(image.path()).output();
        if !made.is_ok_and(|ended| ended.status.success()) {
            return None;
        }
        // The loop device keeps the image after its name is gone.
        let image = image.path().display().to_string();
        Mounted::at(folder.path(), &["-o", "loop", &image]).map(|mounted| Self(mounted, folder))
    }

    /// From now on nothing can be written, as after an error of the device.
    fn turn_read_only(&self) {
        self.0.again("abort");
    }

    fn path(&self) -> &Path {
        self.1.path()
    }

    /// Leaves so many bytes free.
    fn fill(&self, free: u64) {
        let found = rustix::fs::statvfs(self.path()).unwrap();
        let taken = (found.f_bavail * found.f_frsize).checked_sub(free).expect("the disk is fuller than it shall be");
        let filled =
            Command::new("fallocate").args(["-l", &taken.to_string()]).arg(self.path().join("filler")).status();
        assert!(filled.unwrap().success());
    }

    /// An access point whose data are on it, and that asks for 200 MB of free space.
    async fn site(&self) -> Site {
        let data = self.path().join("data").display().to_string();
        Site::start_with(|text| {
            text.replace("data_dir = \"data\"", &format!("data_dir = {data:?}"))
                + "\n[limits]\nfree_bytes_least = 200000000\n"
        })
        .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_disk_is_full_nothing_new_is_accepted_and_what_was_accepted_goes_on() {
    let Some(disk) = Disk::mounted("512m") else {
        println!("skipped: a small disk can be mounted by root only");
        return;
    };
    let site = disk.site().await;
    let [first, second] = [(); 2].map(|()| site.sent(site.envelope(|_| {}, |message| message)));
    let [first_request, second_request] = [&first, &second].map(|sent| site.pack(sent));
    assert_eq!(site.answered(&first_request).await, (200, None));

    disk.fill(150_000_000);
    assert_eq!(site.answered(&second_request).await, (503, Some("300".to_owned())));
    assert_eq!(site.router.accepts().unwrap_err().kind, "urn:sluss:problem:space");
    assert!(site.messages().await.iter().all(|message| message.as4_message_id.as_ref() != Some(&second.message_id)));
    assert_eq!(site.answered(&first_request).await, (200, None), "a duplicate gets its AS4 receipt again");
    site.wait(site.arrived(&first).await, |message| message.status != Status::Received).await;
    let (status, said) = until_ready(&site, 503).await;
    assert!(
        said.contains("\"check\":\"space\",\"state\":\"failed\"") && said.contains("limits.free_bytes_least"),
        "{status} {said}"
    );

    std::fs::remove_file(disk.path().join("filler")).unwrap();
    assert_eq!(site.answered(&second_request).await, (200, None), "it goes on by itself");
    site.arrived(&second).await;
    until_ready(&site, 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_disk_that_turns_read_only_nothing_is_accepted_and_health_says_why() {
    let Some(disk) = Disk::that_can_fail(1_000_000_000) else {
        println!("skipped: a file system of its own can be mounted by root with loop devices only");
        return;
    };
    let site = disk.site().await;
    until_ready(&site, 200).await;
    disk.turn_read_only();
    let sent = site.sent(site.envelope(|_| {}, |message| message));
    let (status, again) = site.answered(&site.pack(&sent)).await;
    assert_eq!((status, again.as_deref()), (503, Some("30")), "its sender keeps it");
    assert!(site.messages().await.is_empty());
    let (_, said) = until_ready(&site, 503).await;
    assert!(said.contains("\"check\":\"disk\",\"state\":\"failed\"") && said.contains("ead-only"), "{said}");
}

/// Asks until the health has this status.
async fn until_ready(site: &Site, status: u16) -> (u16, String) {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let found = site.ready().await;
        if found.0 == status {
            return found;
        }
        assert!(Instant::now() < end, "{found:?}, expected {status}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
